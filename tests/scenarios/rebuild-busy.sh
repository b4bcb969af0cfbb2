# Each kind of rebuild leaves every member with the right data while several memories are read and written.
# run: soak
# topology: iommu
# parallel: yes
# modules: p2p
# timeout: 300
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

# The I/O goes to the first half, which is rebuilt step by step meanwhile.
readonly size=$((16 * M)) length=$((8 * M)) ops=250

# mix SEED: does I/O. /tmp/model then has what the first half of the array holds.
mix() {
	p2pio mix --memory host --memory "$(bdf near2)" --memory "$(bdf near0)" --seed "$1" --ops $ops --depth 4 \
		--model /tmp/model --offset 0 --length $length /dev/md0 >/tmp/said
}

lose() {
	quietly mdadm /dev/md0 --fail "$(disk near1)"
	quietly mdadm /dev/md0 --remove "$(disk near1)"
}

prepare() {
	local options=(--size=$((size / K)) --assume-clean)
	[[ $level == 1 ]] || options+=(--chunk=64)
	[[ $kind != readd ]] || options+=(--bitmap=internal --bitmap-chunk=64K)
	if [[ $kind == resync ]]; then
		wipe near1 18M
		quietly mdadm --create /dev/md0 --run --readonly --metadata=1.2 --level=1 --raid-devices=2 \
			--size=$((size / K)) "$(disk near0)" "$(disk near1)"
		return
	fi
	create md0 "$level" 'near0 near1' "${options[@]}"
	quietly p2pio write --memory host --seed 1 --length $size /dev/md0
	case $kind in
	recovery)
		lose
		wipe near1 18M
		;;
	readd)
		lose
		quietly p2pio write --memory host --seed 1 --length $size /dev/md0
		;;
	replace) quietly mdadm /dev/md0 --add "$(disk near3)" ;;
	esac
}

rebuild_to() { echo "$1" >/sys/block/md0/md/sync_max; }
step_by_step() {
	local sector
	for ((sector = 2048; sector <= length / 512; sector += 1024)); do
		rebuild_to $sector
		sleep 0.3
	done
}

begin() {
	# md refuses this while it looks whether a spare that was just added is wanted.
	until_true rebuild_to 1024
	case $kind in
	resync) quietly mdadm --readwrite /dev/md0 ;;
	recovery) quietly mdadm /dev/md0 --add "$(disk near1)" ;;
	readd) quietly mdadm /dev/md0 --re-add "$(disk near1)" ;;
	replace) quietly mdadm /dev/md0 --replace "$(disk near1)" --with "$(disk near3)" ;;
	esac
}
begun() { (($(counter md0 rebuild_peer_bytes) > 0)); }
is_done() { is_whole md0 && { [[ $kind != replace ]] || has_replaced; }; }
has_replaced() { [[ ,$(attr md0 "dev-$(basename "$(disk near3)")/state"), == *,in_sync,* ]]; }

use_p2p
free=$(pools)
seed=0
for level in 1 10; do
	for kind in resync recovery readd replace; do
		# raid10 compares copies when it resyncs.
		[[ $level$kind != 10resync ]] || continue
		prepare
		begin
		until_true begun
		seed=$((seed + 1))
		step_by_step &
		steps=$!
		mix $seed
		met=$(counter md0 rebuild_peer_bytes)
		wait $steps
		rebuild_to max
		until_true is_done
		say "raid$level $kind: $((met / K)) KiB were rebuilt during $ops I/Os, $(counter md0 rebuild_peer_bytes) bytes in all"
		is 'bytes rebuilt through host memory' "$(counter md0 rebuild_host_bytes)" 0
		is 'I/O refused' "$(counter md0 refused_ios)" 0
		members_match md0 /tmp/model 0 $length
		[[ $kind == resync ]] || members_hold md0 1 $length $((size - length))
		parity_is_right md0
		remove md0
		quietly mdadm --zero-superblock "$(disk near1)"
	done
done
is 'free peer memory' "$(pools)" "$free"
