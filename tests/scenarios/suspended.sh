# Reads that must be tried again on a far mirror do not wait while staged writes wait for a suspended part
# of the array.
# run: soak
# topology: split
# parallel: yes
# modules: p2p
# timeout: 90
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

readonly length=$((256 * K))

# suspend_until KBYTE: makes writes to the array wait, from its beginning up to there.
suspend_until() { echo $(($1 * 2)) >/sys/block/md0/md/suspend_hi; }

use_p2p
create md0 1 'near0 far0' --size=8M
quietly p2pio write --memory host --seed 1 --length $((2 * length)) /dev/md0

suspend_until 256
p2pio write --memory "$(bdf near1)" --seed 2 --length $length /dev/md0 >/tmp/said 2>&1 &
writer=$!
sleep 2
kill -0 $writer || fail "a write to a suspended part did not wait: $(</tmp/said)"
quietly vmctl fail near0 read
quietly p2pio check --memory "$(bdf near1)" --seed 1 --offset $length --length $length /dev/md0
quietly vmctl heal near0
is 'bytes read staged' "$(counter md0 read_staged_bytes)" $length
kill -0 $writer || fail "a write to a suspended part did not wait: $(</tmp/said)"

echo 0 >/sys/block/md0/md/suspend_hi
wait $writer || fail "$(</tmp/said)"
members_hold md0 2 0 $length
members_hold md0 1 $length $length
is 'bytes written staged' "$(counter md0 write_staged_bytes)" $length
parity_is_right md0
remove md0
