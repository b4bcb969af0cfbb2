# A power cut while the first mirror is being recovered loses nothing, whichever md comes after it.
# What that mirror held before does not overwrite the only copy.
# run: test
# topology: switch
# modules: p2p
# build: faulty.c
# timeout: 90
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

readonly reached=$((2 * M)) block=$((64 * K))

# supply WORD: sets the power supply of all devices.
supply() {
	local file
	for file in /sys/block/faulty*/supply; do echo "$1" >"$file"; done
}

is_held() { [[ $(attr md0 sync_completed) == "$((reached / 512)) / "* ]]; }

# recovered LEVEL: makes an array whose first member is being recovered. The recovery waits at $reached.
recovered() {
	create md0 "$1" 'faulty0 faulty1' --assume-clean --size=8M
	quietly p2pio write --memory host --seed 1 --length 8M /dev/md0
	quietly mdadm /dev/md0 --fail /dev/faulty0 --remove /dev/faulty0
	echo $((reached / 512)) >/sys/block/md0/md/sync_max
	quietly mdadm /dev/md0 --add /dev/faulty2
	until_true is_held
	# The array stays dirty after a write.
	echo 100 >/sys/block/md0/md/safe_mode_delay
}

# lasts LEVEL WHOSE: cuts the power. The array that this md then assembles has its data.
lasts() {
	say "level $1, assembled by $2"
	wipe_disk /dev/faulty2 12M
	recovered "$1"
	quietly p2pio write --memory host --seed 2 --length $block /dev/md0
	supply off
	quietly mdadm --stop /dev/md0
	supply kept
	if [[ $2 == "the kernel's" ]]; then
		quietly modprobe -r raid1-p2p raid10-p2p md-p2p
		modprobe -a md-mod raid1 raid10
		# Debian makes the recovery wait for a write.
		echo 0 >/sys/module/md_mod/parameters/start_ro
	fi
	quietly mdadm --assemble --run /dev/md0 /dev/faulty1 /dev/faulty2
	until_true is_whole md0
	quietly p2pio check --memory host --seed 2 --length $block /dev/md0
	quietly p2pio check --memory host --seed 1 --offset $block --length $((8 * M - block)) /dev/md0
	parity_is_right md0
	remove md0
}

use_p2p
quietly insmod faulty.ko drives="$(disk near0),$(disk near1)" count=3 size=12 provider="$(bdf near2)"
for n in 0 1 2; do echo "faulty$n - /dev/faulty$n - -" >>/run/vm/drives; done
lasts 1 md-p2p
lasts 10 md-p2p
lasts 10 "the kernel's"
rmmod faulty
