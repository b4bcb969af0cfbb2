# SPDX-License-Identifier: GPL-2.0
#
# The two commands of the README. Both make what they need first: the
# environment (`cargo vm env`), and the modules (`cargo vm make`).

.PHONY: help demo test
help:
	@echo "make demo   every level in a virtual machine: peer memory in and out, and who saw the bytes"
	@echo "make test   format, lint, host tests, rule fixtures, the build, and the VM scenarios"
	@echo "The modules alone, for a kernel of your own: make -C kbuild help"

demo:
	cargo vm run --topology switch --trace pci_nvme_map_addr --add tests/scenarios/lib.bash tests/demo.sh

test:
	@tests/run
