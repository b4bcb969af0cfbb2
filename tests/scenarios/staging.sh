# A member that does not reach the provider loses no byte.
# The data of near members go direct, and those of the others through host memory.
# run: test
# topology: split
# modules: p2p
# trace: pci_nvme_map_addr
# timeout: 240
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

readonly start=$((12 * K)) length=$((1500 * K))
area=(--offset "$start" --length "$length" --block-size 100K /dev/md0)

# counted DIRECTION: sets direct and staged to the bytes that were counted since the last call.
declare -A before
counted() {
	direct=$(($(counter md0 "$1_direct_bytes") - ${before[$1 direct]:-0}))
	staged=$(($(counter md0 "$1_staged_bytes") - ${before[$1 staged]:-0}))
	before[$1 direct]=$((${before[$1 direct]:-0} + direct))
	before[$1 staged]=$((${before[$1 staged]:-0} + staged))
}

use_p2p
free=$(pools)
for level in linear 0 1 10 4 5 6; do
	shape_of $level
	create md0 $level 'near0 near1 near2 far0' "${shape[@]}"
	before=()
	is "state of level $level" "$(attr md0 p2pdma_state)" staged
	seed=0
	for name in near0 far0; do
		say "$level, memory of $name"
		provider=$(bdf $name) seed=$((seed + 1))

		dma p2pio write --memory "$provider" --seed $seed "${area[@]}"
		members_hold md0 $seed $start $length
		counted write
		is 'bytes written, direct and staged' $((direct + staged)) $length
		is 'DMA from peer memory' "$peer" $direct
		case $level in
		0) ((direct > 0 && staged > 0)) || fail "raid0: $direct direct, $staged staged" ;;
		linear) ;;
		*) is 'bytes written direct' $direct 0 ;;
		esac

		dma p2pio check --memory "$provider" --seed $seed "${area[@]}"
		counted read
		is 'bytes read, direct and staged' $((direct + staged)) $length
		is 'DMA into peer memory' "$peer" $direct
		[[ $level != 1 ]] || is 'bytes read direct' $direct $length
		quietly p2pio check --memory host --seed $seed "${area[@]}"
	done
	is 'peer I/O refused' "$(counter md0 refused_ios)" 0
	! redundant md0 || parity_is_right md0
	remove md0
done
is 'free peer memory' "$(pools)" "$free"
