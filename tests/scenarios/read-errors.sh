# If a member cannot be read, peer memory gets the data from the other members, near or far.
# Each byte is counted once, as it went.
# run: soak
# topology: split
# soak: switch
# modules: p2p
# trace: pci_nvme_map_addr
# timeout: 240
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

length=$((768 * K))

# read_without NAME: reads the array while this drive fails all reads.
read_without() {
	local direct staged
	quietly vmctl fail "$1" read
	dma p2pio check --memory "$provider" --seed 1 --length $length /dev/md0
	quietly vmctl heal "$1"
	direct=$(counter md0 read_direct_bytes)
	staged=$(counter md0 read_staged_bytes)
	is 'bytes read, direct and staged' $((direct + staged)) $length
	((peer >= direct)) || fail "counted as direct: $direct; seen by QEMU: $peer"
	case $level in
	1) [[ $far == near3 ]] || is 'bytes staged' "$staged" $length ;;
	10) ;;
	*) ((staged > 0)) || fail 'no read passed the stripe cache' ;;
	esac
}

# errors: prints the number of read errors in the kernel log.
errors() { dmesg | grep -c "error, dev $(basename "$(disk near0)")" || true; }

use_p2p
provider=$(bdf near0) far=near3
! grep -q '^far0 ' /run/vm/drives || far=far0
free=$(pools)
for level in 1 10 5 6; do
	say "raid$level"
	# The nearest member is read first.
	if [[ $level == 1 ]]; then
		create md0 1 "near0 $far" --size=4M
	else
		create md0 $level "near0 near1 near2 $far" --chunk=64 --size=4M
	fi
	quietly p2pio write --memory host --seed 1 --length $length /dev/md0
	read_without near0
	members_hold md0 1 0 $length
	remove md0
done
(($(errors) > 0)) || fail 'no read has failed'
is 'free peer memory' "$(pools)" "$free"
