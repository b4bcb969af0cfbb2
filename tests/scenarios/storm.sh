# Members fail, come back and are pulled under load from near, far and host memory.
# Every member holds what was acknowledged.
# run: soak
# topology: split
# parallel: yes
# modules: p2p
# timeout: 500
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

readonly part=$((512 * K))

# work N MEMORY: writes part N again and again, each round with another seed, and reads it back.
work() {
	local round=0
	while [[ ! -e /tmp/enough ]]; do
		round=$((round + 1))
		p2pio write --memory "$2" --seed $round --offset $(($1 * part)) --length $part --block-size 44K --depth 2 /dev/md0
		p2pio check --memory "$2" --seed $round --offset $(($1 * part)) --length $part --block-size 100K /dev/md0
		echo $round >"/tmp/round$1"
	done
}

# borrow N BDF: writes part N through the memory of a provider that will go, until it has gone.
borrow() {
	while p2pio write --memory "$2" --seed 9 --offset $(($1 * part)) --length $part --block-size 44K /dev/md0; do
		echo >/tmp/borrowed
	done
}

# a_round_later: waits until every worker has done one more round.
a_round_later() {
	rm -f /tmp/round*
	until_true all_have_done_one
}
all_have_done_one() { [[ -s /tmp/round0 && -s /tmp/round1 && -s /tmp/round2 ]]; }

use_p2p
free=$(pools)
for level in 1 10 5; do
	say "$level"
	shape_of $level
	create md0 $level 'near0 near1 far0' "${shape[@]}"
	rm -f /tmp/enough
	work 0 "$(bdf near2)" >/tmp/work0 2>&1 &
	work 1 "$(bdf far0)" >/tmp/work1 2>&1 &
	work 2 host >/tmp/work2 2>&1 &
	a_round_later

	say "$level: the far member fails and comes back"
	quietly mdadm /dev/md0 --fail "$(disk far0)"
	a_round_later
	quietly mdadm /dev/md0 --remove "$(disk far0)"
	a_round_later
	quietly mdadm --zero-superblock "$(disk far0)"
	quietly mdadm /dev/md0 --add "$(disk far0)"
	until_true is_whole md0
	a_round_later

	say "$level: a near member is pulled while its memory is in use"
	near1=$(disk near1)
	rm -f /tmp/borrowed
	borrow 3 "$(bdf near1)" >/tmp/work3 2>&1 &
	borrower=$!
	until_true eval '[[ -e /tmp/borrowed ]]'
	quietly vmctl unplug near1
	wait $borrower
	a_round_later
	mdadm /dev/md0 --remove "$near1" >/dev/null 2>&1 || mdadm /dev/md0 --remove failed >/dev/null 2>&1 || true
	mdadm /dev/md0 --remove detached >/dev/null 2>&1 || true
	quietly vmctl plug near1
	quietly mdadm --zero-superblock "$(disk near1)"
	quietly mdadm /dev/md0 --add "$(disk near1)"
	until_true is_whole md0
	a_round_later

	touch /tmp/enough
	wait
	for n in 0 1 2; do
		[[ ! -s /tmp/work$n ]] || ! grep -v '^\(write\|check\):' /tmp/work$n || fail "worker $n: $(tail -3 /tmp/work$n)"
		members_hold md0 "$(cat /tmp/round$n)" $((n * part)) $part
	done
	parity_is_right md0
	remove md0
done
is 'free peer memory' "$(pools)" "$free"
