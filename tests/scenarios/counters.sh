# Every byte is counted once for the array and once for the member that moved it.
# The state gives its reasons, and each decision has an event.
# run: test
# topology: split
# modules: p2p
# trace: pci_nvme_map_addr
# timeout: 240
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

readonly length=$((1 * M))
events=/sys/kernel/tracing/events/md_p2p/md_p2p_route

# of_member NAME FILE: prints what sysfs says of a member.
of_member() { attr md0 "dev-$(basename "$(disk "$1")")/p2pdma_$2"; }

# of_members FILE: prints the sum over all members.
of_members() { cat /sys/block/md0/md/dev-*/"p2pdma_$1" | awk '{ sum += $1 } END { print sum + 0 }'; }

# events_of DECISION: prints the bytes in the events with this decision.
events_of() {
	sed -n "s/.* md_p2p_route: array $array .* bytes \([0-9]*\) provider $provider $1\$/\1/p" /sys/kernel/tracing/trace |
		awk '{ sum += $1 } END { print sum + 0 }'
}

# logged WORDS: the kernel log has one more line about peer I/O of md0 since the last call, with these words.
lines=0
logged() {
	local all
	all=$(dmesg | grep -c 'md-p2p: md0: peer I/O is ' || true)
	is 'lines in the kernel log' $((all - lines)) 1
	lines=$all
	dmesg | grep 'md-p2p: md0: peer I/O is ' | tail -1 | grep -F "$1" >/dev/null ||
		fail "the kernel log does not say \"$1\" but: $(dmesg | grep 'md-p2p: md0:' | tail -1)"
}

# io VERB DIRECTION: does one pass, and compares the counters of the array, its members and the events.
io() {
	local before_direct before_staged before_members direct staged members
	before_direct=$(counter md0 "$2_direct_bytes") before_staged=$(counter md0 "$2_staged_bytes")
	before_members=$(of_members "$2_bytes")
	echo >/sys/kernel/tracing/trace
	dma p2pio "$1" --memory "$provider" --seed 1 --length $length --block-size 100K /dev/md0
	direct=$(($(counter md0 "$2_direct_bytes") - before_direct))
	staged=$(($(counter md0 "$2_staged_bytes") - before_staged))
	members=$(($(of_members "$2_bytes") - before_members))
	is "bytes of $2, direct and staged" $((direct + staged)) $length
	is "bytes of $2 that members count" $members "$peer"
	is "bytes of $2 direct, by events" "$(events_of direct)" $direct
	is "bytes of $2 staged, by events" "$(events_of staged)" $staged
	is "events refused" "$(events_of refused)" 0
}

# all_counters: prints every counter of the array and of its members.
all_counters() { grep . /sys/block/md0/md/p2pdma_*_{bytes,ios} /sys/block/md0/md/dev-*/p2pdma_*_bytes; }

# host_io VERB: host memory is nobody's business. Blocks of 100 KiB cross chunks, and the block layer gives REQ_NOMERGE to
# their parts, as peer bios have it.
host_io() {
	local before
	before=$(all_counters)
	echo >/sys/kernel/tracing/trace
	quietly p2pio "$1" --memory host --seed 1 --length $length --block-size 100K /dev/md0
	is 'counters after host I/O' "$(all_counters)" "$before"
	is 'events of host I/O' "$(grep -c md_p2p_route: /sys/kernel/tracing/trace || true)" 0
}

is_direct() { [[ $(counter md0 state) == direct ]]; }

use_p2p
echo 1 >$events/enable
near0=$(basename "$(disk near0)") far0=$(basename "$(disk far0)")
for level in linear 0 1 10 5; do
	say "$level"
	shape_of $level
	create md0 $level 'near0 near1 near2 far0' "${shape[@]}"
	array=$(<"/sys/block/md0/dev")
	is reasons "$(counter md0 reason | grep -c 'does not reach')" 6
	if [[ $level == 5 ]]; then
		logged 'staged: parity is computed from copies in the stripe cache, and 6 more'
	else
		logged "staged: $far0 does not reach $(bdf near0), and 5 more"
	fi
	counter md0 reason | grep -x "$near0 does not reach $(bdf far0)" >/dev/null || fail "reasons: $(counter md0 reason)"
	for name in near1 far0; do
		provider=$(bdf $name)
		io write write
		io check read
	done
	host_io write
	host_io check

	if [[ $level == 1 || $level == 5 ]]; then
		say "$level: without the far member"
		quietly mdadm /dev/md0 --fail "$(disk far0)"
		quietly mdadm /dev/md0 --remove "$(disk far0)"
		! counter md0 reason | grep "$far0" >/dev/null || fail "reasons: $(counter md0 reason)"
		[[ $level == 1 ]] || logged 'staged: parity is computed from copies in the stripe cache, and 3 more'
		[[ $level == 5 ]] || logged "staged: $near0 does not reach $(bdf far0), and 2 more"
	fi

	echo off >/sys/block/md0/md/p2pdma_policy
	is reason "$(counter md0 reason)" 'p2pdma_policy is off'
	logged 'off: p2pdma_policy is off'
	remove md0
done

say 'without far0 there is nothing to stage'
create md0 1 'near0 near1' --size=8M
is state "$(counter md0 state)" staged
logged "staged: $near0 does not reach $(bdf far0), and 1 more"
quietly vmctl unplug far0
until_true is_direct
is reason "$(counter md0 reason)" 'every member reaches every provider'
logged 'direct: every member reaches every provider'
provider=$(bdf near2)
io write write
is 'bytes written by near0' "$(of_member near0 write_bytes)" $length
is 'bytes written by near1' "$(of_member near1 write_bytes)" $length
mdadm --stop /dev/md0
is 'lines in the kernel log' "$(dmesg | grep -c 'md-p2p: md0: peer I/O is ')" "$lines"
