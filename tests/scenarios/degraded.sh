# A degraded array serves peer memory as before.
# A member that takes the place of a missing one gets what peer memory wrote.
# run: soak
# topology: switch
# modules: p2p
# timeout: 180
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

area=(--offset 12K --length 1500K --block-size 100K)
offset=$((12 * K)) length=$((1500 * K))

# losses LEVEL: prints the members that the level can lose. raid10 loses one of each pair.
losses() {
	case $1 in
	1) echo near0 near2 near3 ;;
	10) echo near0 near3 ;;
	6) echo near1 near2 ;;
	*) echo near1 ;;
	esac
}

use_p2p
provider=$(bdf near0)
free=$(pools)
for level in 1 10 4 5 6; do
	say "raid$level without $(losses $level)"
	create md0 $level 'near0 near1 near2 near3' --size=8M
	quietly p2pio write --memory "$provider" --seed 1 "${area[@]}" /dev/md0
	for name in $(losses $level); do
		quietly mdadm /dev/md0 --fail "$(disk "$name")"
		quietly mdadm /dev/md0 --remove "$(disk "$name")"
	done
	quietly p2pio check --memory "$provider" --seed 1 "${area[@]}" /dev/md0
	quietly p2pio write --memory "$provider" --seed 2 "${area[@]}" /dev/md0
	members_hold md0 2 $offset $length
	quietly p2pio check --memory "$provider" --seed 2 "${area[@]}" /dev/md0
	quietly p2pio check --memory host --seed 2 "${area[@]}" /dev/md0

	for name in $(losses $level); do
		# Nothing must be right by chance.
		quietly mdadm --zero-superblock "$(disk "$name")"
		quietly p2pio write --memory host --seed 3 --length 16M "$(disk "$name")"
		quietly mdadm /dev/md0 --add "$(disk "$name")"
	done
	until_true is_whole md0
	members_hold md0 2 $offset $length
	parity_is_right md0
	remove md0
done
is 'free peer memory' "$(pools)" "$free"
