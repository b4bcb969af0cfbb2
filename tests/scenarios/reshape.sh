# A raid5 grows from three members to four while peer memory is written and read, and loses nothing.
# run: soak
# topology: switch
# modules: p2p
# timeout: 180
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

old=$((6 * M)) round=$((2 * M))

# work: writes and reads back the two megabytes behind the old data, again and again, each time with another seed.
work() {
	local round_seed=10
	while [[ ! -e /tmp/enough ]]; do
		round_seed=$((round_seed + 1))
		p2pio write --memory "$provider" --seed $round_seed --offset $old --length $round /dev/md0
		p2pio check --memory "$provider" --seed $round_seed --offset $old --length $round /dev/md0
		p2pio check --memory "$provider" --seed 1 --length $old /dev/md0
		echo $round_seed >/tmp/round
	done
}

is_reshaping() { [[ $(attr md0 sync_action) == reshape ]]; }

use_p2p
provider=$(bdf near0)
create md0 5 'near0 near1 near2' --size=24M --chunk=64
quietly p2pio write --memory "$provider" --seed 1 --length $old /dev/md0

quietly mdadm /dev/md0 --add "$(disk near3)"
# The reshape is slow enough for some rounds of I/O.
echo 4000 >/sys/block/md0/md/sync_speed_max
quietly mdadm --grow /dev/md0 --raid-devices=4
until_true is_reshaping
work >/tmp/work 2>&1 &
worker=$!
until_true test -e /tmp/round
is 'sync_action while I/O runs' "$(attr md0 sync_action)" reshape
echo 400000 >/sys/block/md0/md/sync_speed_max
until_true is_whole md0
touch /tmp/enough
wait $worker || fail "$(cat /tmp/work)"
say "$(cat /tmp/round) was the seed of the last round"

is 'members' "$(attr md0 raid_disks)" 4
members_hold md0 1 0 $old
members_hold md0 "$(cat /tmp/round)" $old $round
parity_is_right md0
quietly p2pio check --memory "$provider" --seed 1 --length $old /dev/md0
