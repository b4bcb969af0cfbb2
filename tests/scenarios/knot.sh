# A direct write that fails late is repeated although the array is suspended and its queue frozen, each
# waiting for the next. A member that was failed meanwhile gets nothing.
# run: test
# topology: switch
# modules: p2p
# build: faulty.c
# timeout: 90
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

# In tenths of a second. All others wait by then.
readonly late=50 all='0 18446744073709551615'

hit() { (($(</sys/block/faulty0/hits) > 0)); }

use_p2p
provider=$(bdf near2)
quietly insmod faulty.ko drives="$(disk near0),$(disk near1)" count=2 provider="$provider"
for n in 0 1; do echo "faulty$n - /dev/faulty$n - -" >>/run/vm/drives; done

for level in 1 10; do
	say "level $level"
	create md0 $level 'faulty0 faulty1' --size=4M --bitmap=none
	echo "transfer write $late 1 $all" >/sys/block/faulty0/fault
	p2pio write --memory "$provider" --seed 1 --length 64K --block-size 64K /dev/md0 >/dev/null &
	until_true hit

	# This waits for the write.
	echo 0 >/sys/block/md0/md/suspend_lo &
	sleep 0.3
	# This waits for the array, and holds its queue.
	p2pio write --memory host --seed 2 --offset 1M --length 64K --block-size 64K /dev/md0 >/dev/null &
	sleep 1
	# This waits for the queue.
	echo 0 >/sys/block/md0/queue/iostats &
	sleep 0.3
	is 'processes that wait' "$(jobs -pr | wc -l)" 4
	wait

	is 'bytes repeated' "$(counter md0 write_staged_bytes)" $((64 * K))
	members_hold md0 1 0 $((64 * K))
	members_hold md0 2 $M $((64 * K))

	say "level $level: a member that was failed meanwhile gets nothing more"
	echo "transfer write 20 1 $all" >/sys/block/faulty0/fault
	p2pio write --memory "$provider" --seed 3 --offset 2M --length 64K --block-size 64K /dev/md0 >/dev/null &
	writer=$!
	until_true hit
	echo faulty >/sys/block/md0/md/dev-faulty0/state
	before=$(sectors_written near0)
	wait $writer
	is 'sectors written to it' $(($(sectors_written near0) - before)) 0
	quietly p2pio check --memory host --seed 3 --offset 2M --length 64K /dev/md0
	remove md0
done
rmmod faulty
