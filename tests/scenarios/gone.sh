# If a provider stops answering while a write from it waits to be copied, the write ends with an error.
# It does not end with success and other data.
# run: soak
# topology: split
# parallel: yes
# modules: p2p
# timeout: 150
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

readonly length=$((1 * M)) block=$((64 * K))

suspend_until() { echo "$1" >/sys/block/md0/md/suspend_hi; }

# command WORD: sets near2's PCI command register, low byte first.
command() { printf '%b' "$1" | dd of="/sys/bus/pci/devices/$provider/config" bs=1 seek=4 conv=notrunc status=none; }

# Each block holds its old data or the new data.
holds_either() {
	local at
	for ((at = 0; at < length; at += block)); do
		p2pio check --memory host --seed 1 --offset $at --length $block /dev/md0 >/dev/null 2>&1 ||
			quietly p2pio check --memory host --seed 2 --offset $at --length $block /dev/md0
	done
}

use_p2p
provider=$(bdf near2)
for level in 1 10 5; do
	say "$level"
	shape_of $level
	if [[ $level == 5 ]]; then create md0 5 'near0 near1 far0' "${shape[@]}"; else create md0 $level 'far0 near0' "${shape[@]}"; fi
	quietly p2pio write --memory host --seed 1 --length $length /dev/md0

	suspend_until 16384
	p2pio write --memory "$provider" --seed 2 --length $length --block-size $block --depth 16 /dev/md0 >/tmp/said 2>&1 &
	writer=$!
	sleep 2
	kill -0 $writer || fail "the write did not wait: $(</tmp/said)"
	# Turns memory decoding off. Everything else stays on.
	command '\x04\x04'
	suspend_until 0
	status=0
	wait $writer || status=$?
	command '\x06\x04'
	is "status of the writer, who said \"$(</tmp/said)\"" $status 3
	grep -q 'EREMOTEIO (121)' /tmp/said || fail "$(</tmp/said)"
	is degraded "$(attr md0 degraded 2>/dev/null || echo 0)" 0
	[[ $level == 5 ]] || holds_either
	! redundant md0 || parity_is_right md0
	quietly p2pio write --memory "$provider" --seed 3 --length $length /dev/md0
	members_hold md0 3 0 $length
	remove md0
done
