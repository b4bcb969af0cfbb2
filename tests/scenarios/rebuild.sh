# Each kind of rebuild of a mirror goes through peer pages, and host memory sees almost none of it.
# With the kernel's own modules host memory sees all of it, twice.
# run: test
# topology: switch
# modules: p2p
# trace: pci_nvme_map_addr
# timeout: 300
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

readonly size=$((12 * M)) third=$((4 * M))
kinds=(resync recovery readd replace recovery10 replace10 recovery10far)

# prepare KIND, go KIND: make the array, and do its rebuild.
prepare() {
	local options=(--size=$((size / K)) --assume-clean)
	case $1 in
	recovery10far) create md0 10 'near0 near1 near2' "${options[@]}" --layout=f2 --chunk=64 ;;
	*10) create md0 10 'near0 near1 near2' "${options[@]}" --chunk=64 ;;
	readd) create md0 1 'near0 near1' "${options[@]}" --bitmap=internal --bitmap-chunk=64K ;;
	*) create md0 1 'near0 near1' "${options[@]}" ;;
	esac
	quietly p2pio write --memory host --seed 1 --length "$(room "$1")" /dev/md0
	case $1 in
	resync) make_unsynced ;;
	recovery*)
		lose near1
		wipe near1 $((size + 6 * M))
		;;
	readd)
		lose near1
		quietly p2pio write --memory host --seed 2 --offset $third --length $third /dev/md0
		;;
	replace*) quietly mdadm /dev/md0 --add "$(disk near3)" ;;
	esac
}

lose() {
	quietly mdadm /dev/md0 --fail "$(disk "$1")"
	quietly mdadm /dev/md0 --remove "$(disk "$1")"
}

# make_unsynced: makes the array again. The second member holds other data, and nothing has been read yet.
make_unsynced() {
	quietly mdadm --stop /dev/md0
	wipe near1 $((size + M))
	quietly mdadm --create /dev/md0 --run --readonly --metadata=1.2 --level=1 --raid-devices=2 \
		--size=$((size / K)) "$(disk near0)" "$(disk near1)"
}

go() {
	case $1 in
	resync) quietly mdadm --readwrite /dev/md0 ;;
	recovery*) quietly mdadm /dev/md0 --add "$(disk near1)" ;;
	readd) quietly mdadm /dev/md0 --re-add "$(disk near1)" ;;
	replace*) quietly mdadm /dev/md0 --replace "$(disk near1)" --with "$(disk near3)" ;;
	esac
	until_true is_done "$1"
}
is_done() { is_whole md0 && { [[ $1 != replace* ]] || has_replaced; }; }
has_replaced() { [[ ,$(attr md0 "dev-$(basename "$(disk near3)")/state"), == *,in_sync,* ]]; }

# room KIND, written KIND: print the bytes of the array, and the bytes that are written to members.
room() { if [[ $1 == *10* ]]; then echo $((size * 3 / 2)); else echo $size; fi; }
written() { if [[ $1 == readd ]]; then echo $third; else echo $size; fi; }

# holds KIND: the drives hold the right data, read through host memory.
holds() {
	case $1 in
	readd)
		members_hold md0 1 0 $third
		members_hold md0 2 $third $third
		members_hold md0 1 $((2 * third)) $third
		;;
	*far) quietly p2pio check --memory host --seed 1 --length "$(room "$1")" /dev/md0 ;;
	*) members_hold md0 1 0 "$(room "$1")" ;;
	esac
	parity_is_right md0
}

percent() { awk -v part="$1" -v whole="$2" 'BEGIN { printf "%.1f", 100 * part / whole }'; }

# run KIND WHOSE: rebuilds. Sets ram and peer to the memory that DMA touched, in tenths of a percent of what was
# rebuilt.
run() {
	local bytes
	prepare "$1"
	dma go "$1"
	bytes=$(written "$1")
	say "$1 with $2: $(percent "$ram" "$bytes") % through host memory, $(percent "$peer" "$bytes") % through peer memory"
	ram=$((1000 * ram / bytes)) peer=$((1000 * peer / bytes))
	holds "$1"
}

use_p2p
free=$(pools)
for kind in "${kinds[@]}"; do
	run "$kind" md-p2p
	is_about "$kind: host memory" "$ram" 0 20
	is "$kind: peer memory" "$peer" 2000
	is "$kind: rebuild_peer_bytes" "$(counter md0 rebuild_peer_bytes)" "$(written "$kind")"
	is "$kind: rebuild_host_bytes" "$(counter md0 rebuild_host_bytes)" 0
	is "$kind: provider" "$(counter md0 provider)" 'none (auto)'
	is "$kind: a check counts nothing" "$(counter md0 rebuild_host_bytes)" 0
	remove md0
	is 'free peer memory' "$(pools)" "$free"
done

quietly modprobe -r raid1-p2p raid10-p2p md-p2p
modprobe -a md-mod raid1 raid10
for kind in resync replace10; do
	run "$kind" "the kernel's md"
	is_about "$kind: host memory" "$ram" 2000 2020
	is "$kind: peer memory" "$peer" 0
	remove md0
done
