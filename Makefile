# SPDX-License-Identifier: GPL-2.0
#
# The commands of the README. The first two first make what they need: the
# environment (`cargo vm env`), and the modules (`cargo vm make`).

static := x86_64-unknown-linux-gnu

.PHONY: help demo test bench soak soak-report mdp2p guest install uninstall deb
help:
	@echo "make demo   every level in a virtual machine: peer memory in and out, and who saw the bytes"
	@echo "make deb    target/md-p2p_VERSION_amd64.deb: mdp2p, and the modules for DKMS"
	@echo "make mdp2p  target/mdp2p, the program for the people who run md-p2p, as one static binary"
	@echo "make install  put what the package has below DESTDIR= and PREFIX=/usr; then dkms install md-p2p/VERSION"
	@echo "make uninstall  remove that again"
	@echo "make test   in half an hour: format, lint, host tests, the build, the package, and the VM scenarios that matter most"
	@echo "make bench  all benches; writes docs/performance.md. ONLY=NAME,..."
	@echo "make soak   all tests, on all kernels; tests that passed at this commit are not run again"
	@echo "            ONLY=REGEX of SOURCE/CASE KERNEL, HOURS=N, SEED=N, JOBS=N, LEDGER=FILE"
	@echo "make soak-report  the ledger of all soaks as a table"
	@echo "The modules alone, for a kernel of your own: make -C kbuild help"

demo:
	cargo vm run --topology switch --trace pci_nvme_map_addr --add tests/scenarios/lib.bash tests/demo.sh

test:
	@tests/run

bench:
	@cargo run --quiet --package md-p2p-tests --bin benches -- $(if $(ONLY),--only '$(ONLY)')

LEDGER ?= target/soak/ledger.jsonl
soak_tool := cargo run --quiet --package md-p2p-tests --bin soak -- --ledger '$(LEDGER)'

soak:
	@$(soak_tool) run $(if $(ONLY),--only '$(ONLY)') $(if $(HOURS),--hours $(HOURS)) \
		$(if $(SEED),--seed $(SEED)) $(if $(JOBS),--jobs $(JOBS))

soak-report:
	@$(soak_tool) report

build_static = CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS='-C target-feature=+crt-static' \
		cargo build --release --target $(static)

mdp2p:
	$(build_static) --package mdp2p
	cp target/$(static)/release/mdp2p target/

# Builds the programs of guests beside mdp2p, before a guest needs them.
guest:
	$(build_static) --package md-p2p-tests --bin p2pio --bin faults --bin sequences

install:
	@packaging/install

uninstall:
	@packaging/uninstall

deb: mdp2p
	@packaging/deb
