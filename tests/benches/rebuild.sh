# Compares rebuilds with md-p2p and with the kernel's own md, in turn, in one guest: their time, and the host memory that
# the drives' DMA touched.
#
# SPDX-License-Identifier: GPL-2.0
# shellcheck source-path=SCRIPTDIR/../scenarios
. ./lib.bash

readonly size=$((48 * M)) rounds=5

use() {
	if [[ $1 == md-p2p ]]; then
		modprobe -a md-p2p raid1-p2p raid10-p2p raid456-p2p
	else
		modprobe -a md-mod raid1 raid10 raid456
	fi
}
leave() {
	if [[ $1 == md-p2p ]]; then
		rmmod raid1-p2p raid10-p2p raid456-p2p md-p2p
	else
		rmmod raid1 raid10 raid456 md-mod
	fi
}

# recover LEVEL: recovers near1. Sets took to the milliseconds, and ram to the bytes that went through host memory.
recover() {
	local names='near0 near1' options=(--size=$((size / K)) --assume-clean)
	case $1 in
	1) ;;
	10) options+=(--chunk=64) ;;
	*) names='near0 near1 near2 near3' options+=(--chunk=64) ;;
	esac
	create md0 "$1" "$names" "${options[@]}"
	quietly mdadm /dev/md0 --fail "$(disk near1)"
	quietly mdadm /dev/md0 --remove "$(disk near1)"
	quietly mdadm --zero-superblock "$(disk near1)"
	echo 2000000 >/sys/block/md0/md/sync_speed_max
	echo 2000000 >/sys/block/md0/md/sync_speed_min
	echo frozen >/sys/block/md0/md/sync_action
	quietly mdadm /dev/md0 --add "$(disk near1)"
	dma timed
	remove md0
}
timed() {
	local began
	began=$(date +%s%3N)
	echo recover >/sys/block/md0/md/sync_action
	until is_whole md0; do sleep 0.02; done
	took=$(($(date +%s%3N) - began))
	echo $took >/tmp/took
}

# median NUMBER...: prints the median.
median() { printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"; }

# least NUMBER...: prints the least, which a busy host disturbs least.
least() { printf '%s\n' "$@" | sort -n | head -n 1; }

without_udev
mkdir -p /etc/modprobe.d
declare -A times host
for level in 1 10 5 6; do
	times=() host=()
	for ((round = 0; round < rounds; round++)); do
		for whose in md-p2p md; do
			use $whose
			recover $level
			times[$whose]+=" $(</tmp/took)"
			# shellcheck disable=SC2154 # from dma
			host[$whose]=$ram
			leave $whose
		done
	done
	# shellcheck disable=SC2086 # they are words
	awk -v level="raid$level" -v ours="$(median ${times[md-p2p]})" -v md="$(median ${times[md]})" -v rounds=$rounds \
		-v our_least="$(least ${times[md-p2p]})" -v md_least="$(least ${times[md]})" -v our_host="${host[md-p2p]}" -v md_host="${host[md]}" -v size=$size 'BEGIN {
			printf "bench: %-6s recovery of %d MiB: host memory %.1f %% of that, with md %.1f %%; time %.2f of md'"'"'s (medians of %d: %d ms, %d ms)\n",
				level, size / 1048576, 100 * our_host / size, 100 * md_host / size, ours / md, rounds, ours, md
			# Of raid5 and 6 all goes through the CPU of the guest, so their time says something.
			if (level ~ /[56]$/)
				printf "figure: recovery of %s, least time of %d | %.2f | the kernel'"'"'s md | %.2f (1, and how far the median of md is from its least)\n",
					level, rounds, our_least / md_least, md / md_least
			else
				printf "figure: recovery of %s, host memory that DMA touched | %.2f | the kernel'"'"'s md | 0.1\n",
					level, our_host / md_host
		}'
done
