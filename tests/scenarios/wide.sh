# The CPU copies with loads of any width that it can, and every byte arrives, wherever it begins.
# run: soak
# topology: split
# modules: p2p
# timeout: 300
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

readonly start=$((12 * K)) length=$((300 * K))

# A hypervisor that emulates memory may stop a guest that loads more than 8 bytes of it. QEMU's own CPU does not.
grep -q 'QEMU TCG' /proc/cpuinfo || skip 'the CPU is not emulated'

# widths: prints what this CPU can load at once.
widths() {
	local width flag
	for width in 8: 16:sse4_1 32:avx2 64:avx512f; do
		flag=${width#*:}
		[[ -z $flag ]] || grep -qw "$flag" /proc/cpuinfo || continue
		echo "${width%:*}"
	done
}

without_udev
free=$(pools)
refused 1 'Invalid argument' modprobe md-p2p p2pdma_copy_bytes=24
refused 1 'Invalid argument' modprobe md-p2p p2pdma_copy_bytes=wide
modprobe md-p2p
is 'width in a guest' "$(</sys/module/md_p2p/parameters/p2pdma_copy_bytes)" 8
rmmod md-p2p
tried=0 seed=0
for width in $(widths); do
	modprobe md-p2p p2pdma_copy_bytes="$width"
	is width "$(</sys/module/md_p2p/parameters/p2pdma_copy_bytes)" "$width"
	for level in 1 5; do
		shape_of $level
		create md0 $level 'near0 near1 far0' "${shape[@]}"
		for size in 512 1536 100K; do
			say "$width bytes, level $level, blocks of $size"
			seed=$((seed + 1))
			area=(--offset "$start" --length "$length" --block-size "$size" /dev/md0)
			quietly p2pio write --memory "$(bdf far0)" --seed $seed "${area[@]}"
			members_hold md0 $seed $start $length
			quietly p2pio check --memory "$(bdf far0)" --seed $seed "${area[@]}"
			quietly p2pio check --memory host --seed $seed "${area[@]}"
		done
		(($(counter md0 write_staged_bytes) >= 3 * length)) || fail 'nothing was staged'
		remove md0
	done
	quietly rmmod "raid1-p2p" raid456-p2p md-p2p
	tried=$((tried + 1))
done
((tried >= 2)) || skip 'this CPU loads 8 bytes only'
is 'free peer memory' "$(pools)" "$free"
