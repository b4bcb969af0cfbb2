# At every level, data move from peer memory to the array and back, and every byte is counted as it went:
# direct or staged.
# run: soak
# topology: switch
# modules: p2p
# trace: pci_nvme_map_addr
# timeout: 180
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

# The area begins and ends within a chunk, so that I/O is split at both ends.
offset=$((12 * K)) length=$((1500 * K))
area=(--offset "$offset" --length "$length" --block-size 100K /dev/md0)

# The DMA that superblocks may cost while an array gets dirty and clean.
metadata=$((64 * K))

# read_counters DIRECTION: sets direct and staged to the bytes that sysfs has counted so far.
read_counters() {
	direct=$(counter md0 "$1_direct_bytes")
	staged=$(counter md0 "$1_staged_bytes")
}

# Makes an array with small chunks, and with small members if that makes a resync shorter.
create_array() {
	local options=()
	[[ $level == 1 ]] || options+=(--chunk=64)
	[[ $level == linear || $level == 0 ]] || options+=(--size=8M)
	create md0 "$level" 'near0 near1 near2 near3' "${options[@]}"
}

has_parity() { [[ $level == [456] ]]; }

# copies: prints how often direct data are written.
copies() {
	case $level in
	1) echo 4 ;;
	10) echo 2 ;;
	*) echo 1 ;;
	esac
}

write_from_peer() {
	dma p2pio write --memory "$provider" --seed 1 "${area[@]}"
	members_hold md0 1 $offset $length
	read_counters write
	if has_parity; then
		is 'bytes written direct' "$direct" 0
		is 'bytes written staged' "$staged" $length
		is 'DMA from peer memory' "$peer" 0
		is_about 'DMA from host memory' "$ram" $length $((8 * length))
	else
		is 'bytes written direct' "$direct" $length
		is 'bytes written staged' "$staged" 0
		is 'DMA from peer memory' "$peer" $((length * $(copies)))
		is_about 'DMA from host memory' "$ram" 0 $metadata
	fi
}

read_into_peer() {
	dma p2pio check --memory "$provider" --seed "$1" "${area[@]}"
	read_counters read
	is 'bytes read, direct and staged' $((direct + staged)) $((length * reads))
	is 'DMA into peer memory' "$peer" $((direct - direct_before))
	if has_parity; then
		((direct > direct_before)) || fail 'no read went direct'
	else
		is 'bytes read staged' "$staged" 0
		is_about 'DMA into host memory' "$ram" 0 $metadata
	fi
	direct_before=$direct reads=$((reads + 1))
}

use_p2p
provider=$(bdf near0)
free=$(pools)
for level in linear 0 1 10 4 5 6; do
	say "$level"
	create_array
	direct_before=0 reads=1

	write_from_peer
	read_into_peer 1
	quietly p2pio check --memory host --seed 1 "${area[@]}"

	quietly p2pio write --memory host --seed 2 "${area[@]}"
	members_hold md0 2 $offset $length
	read_into_peer 2
	read_counters write
	is 'bytes written from peer memory, as before' $((direct + staged)) $length
	is 'peer I/O refused' "$(counter md0 refused_ios)" 0
	! redundant md0 || parity_is_right md0
	remove md0
done
is 'free peer memory' "$(pools)" "$free"
