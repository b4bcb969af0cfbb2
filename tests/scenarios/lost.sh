# If the provider goes when only one mirror has its part of a write, the write ends with an error.
# The members become equal again, whatever runs meanwhile, and no read is wrong.
# run: test
# topology: switch
# modules: p2p
# build: faulty.c
# timeout: 180
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

readonly all='0 18446744073709551615'

# provider_is COMMAND: sets the PCI command register of the provider: with its memory, or without.
provider_is() { printf '%b' "$1" | dd of="/sys/bus/pci/devices/$provider/config" bs=1 seek=4 conv=notrunc status=none; }

# lose OFFSET: writes there. The provider goes when others have the data, so that faulty1 gets nothing.
lose() {
	local lost
	lost=$(dmesg | grep -c 'a resync is due' || :)
	echo "gone write 1 1 $all" >/sys/block/faulty1/fault
	refused 3 EREMOTEIO p2pio write --memory "$provider" --seed 2 --offset "$1" --length 64K --block-size 64K /dev/md0
	echo "nothing both 0 0 $all" >/sys/block/faulty1/fault
	provider_is '\x06\x04'
	(($(dmesg | grep -c 'a resync is due') > lost)) || fail 'nothing was lost'
	# Nobody knows which data are there. From now on they are these.
	right=(0 "$1") rest=$(($1 + 64 * K))
}

# others_are_right: checks everything but the lost write, through host memory.
others_are_right() {
	((right[1] == 0)) || quietly p2pio check --memory host --seed 1 --length "${right[1]}" /dev/md0
	quietly p2pio check --memory host --seed 1 --offset "$rest" --length $((8 * M - rest)) /dev/md0
}

is_clean() { [[ $(attr md0 array_state) == clean ]]; }

members_are_equal() {
	until_true is_whole md0
	is "$1: degraded" "$(attr md0 degraded)" 0
	until_true is_clean
	others_are_right
	parity_is_right md0
}

# before_it_begins LEVEL: the resync follows although the array is stopped, or a check or repair is asked for.
before_it_begins() {
	say "level $1: the array is stopped before the resync begins"
	quietly p2pio write --memory host --seed 1 --length 8M /dev/md0
	echo frozen >/sys/block/md0/md/sync_action
	lose $((1 * M))
	stop_and_assemble
	members_are_equal stopped

	say "level $1: a check is asked for before the resync begins"
	quietly p2pio write --memory host --seed 1 --length 8M /dev/md0
	echo frozen >/sys/block/md0/md/sync_action
	lose $((1 * M))
	echo check >/sys/block/md0/md/sync_action
	members_are_equal asked

	say "level $1: a repair passes the place, and the array is stopped before it ends"
	quietly p2pio write --memory host --seed 1 --length 8M /dev/md0
	slowly
	echo repair >/sys/block/md0/md/sync_action
	until_true runs repair
	lose $((1 * M))
	until_true is_past $((4 * M / 512))
	is_about 'sectors in sync, while it runs' "$(attr md0 resync_start)" 0 $((1 * M / 512))
	echo frozen >/sys/block/md0/md/sync_action
	is_about 'sectors in sync, after it' "$(attr md0 resync_start)" 0 $((1 * M / 512))
	stop_and_assemble
	members_are_equal passed
}

stop_and_assemble() {
	quietly mdadm --stop /dev/md0
	quietly mdadm --assemble /dev/md0 /dev/faulty0 /dev/faulty1
}

is_past() {
	local completed
	completed=$(attr md0 sync_completed)
	[[ $completed == *[0-9]' / '* ]] && ((${completed%% *} > $1))
}

# recovers DEVICE: the device has just begun to be recovered as the first member.
recovers() {
	quietly p2pio write --memory host --seed 1 --length 8M /dev/md0
	slowly
	quietly mdadm /dev/md0 --fail /dev/faulty0 --remove /dev/faulty0
	wipe_disk "/dev/$1" 14M
	quietly mdadm /dev/md0 --add "/dev/$1"
	until_true runs recover
}

# before_it_ends LEVEL: interrupts the resync, or a recovery that the resync then precedes.
before_it_ends() {
	say "level $1: a check is asked for when the resync is interrupted"
	create md0 "$1" 'faulty0 faulty1' --size=8M --bitmap=none
	quietly p2pio write --memory host --seed 1 --length 8M /dev/md0
	echo 0 >/sys/block/md0/md/sync_max
	lose $((1 * M))
	until_true is_resync
	echo frozen >/sys/block/md0/md/sync_action
	echo max >/sys/block/md0/md/sync_max
	echo check >/sys/block/md0/md/sync_action
	members_are_equal asked
	remove md0

	say "level $1: the recovery is interrupted"
	create md0 "$1" 'faulty0 faulty1' --size=8M --bitmap=none
	recovers faulty2
	lose $((6 * M))
	echo idle >/sys/block/md0/md/sync_action
	quickly
	members_are_equal interrupted
	remove md0
	wipe_disk /dev/faulty0 14M

	say "level $1: the array is stopped, and has a third member"
	create md0 "$1" 'faulty0 faulty1 faulty2' --size=8M --bitmap=none
	recovers faulty0
	lose $((6 * M))
	quietly mdadm --stop /dev/md0
	quietly mdadm --assemble /dev/md0 /dev/faulty0 /dev/faulty1 /dev/faulty2
	members_are_equal stopped
	remove md0
}

is_resync() { [[ $(attr md0 sync_action) == resync ]]; }
slowly() { echo 200 >/sys/block/md0/md/sync_speed_max; }
quickly() { echo system >/sys/block/md0/md/sync_speed_max; }
runs() { [[ $(attr md0 sync_action) == "$1" && $(attr md0 sync_completed) == *[1-9]*/* ]]; }

use_p2p
provider=$(bdf near2)
quietly insmod faulty.ko drives="$(disk near0),$(disk near1),$(disk near3)" count=3 size=14 provider="$provider"
for n in 0 1 2; do echo "faulty$n - /dev/faulty$n - -" >>/run/vm/drives; done

for bitmap in none internal; do
	for level in 1 10; do
		say "level $level, bitmap $bitmap: nothing else runs"
		create md0 "$level" 'faulty0 faulty1' --size=8M --bitmap="$bitmap"
		quietly p2pio write --memory host --seed 1 --length 8M /dev/md0
		lose $((1 * M))
		members_are_equal idle
		[[ $bitmap == none ]] || before_it_begins "$level"

		say "level $level, bitmap $bitmap: a check runs, and has not reached the place yet"
		quietly p2pio write --memory host --seed 1 --length 8M /dev/md0
		slowly
		echo check >/sys/block/md0/md/sync_action
		until_true runs check
		lose $((6 * M))
		quickly
		members_are_equal check

		say "level $level, bitmap $bitmap: a member is being recovered, and lacks the data behind"
		recovers faulty2
		lose 0
		others_are_right
		quickly
		members_are_equal recover
		remove md0
		wipe_disk /dev/faulty0 14M
		[[ $bitmap != none ]] || before_it_ends "$level"
	done
done
rmmod faulty
