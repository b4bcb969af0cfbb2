# A member that was away gets what peer memory wrote meanwhile.
# With a bitmap it gets little more than that.
# run: soak
# topology: switch
# modules: p2p
# timeout: 120
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

area=(--offset 20M --length 2M)

use_p2p
provider=$(bdf near0)
for level in 1 10 5; do
	say "raid$level"
	create md0 $level 'near0 near1 near2 near3' --size=64M --assume-clean \
		--bitmap=internal --bitmap-chunk=1M
	away=$(disk near3)
	quietly p2pio write --memory "$provider" --seed 1 --length 4M /dev/md0

	quietly mdadm /dev/md0 --fail "$away"
	quietly mdadm /dev/md0 --remove "$away"
	quietly p2pio write --memory "$provider" --seed 2 "${area[@]}" /dev/md0
	before=$(sectors_written near3)
	quietly mdadm /dev/md0 --re-add "$away"
	until_true is_whole md0
	got=$((($(sectors_written near3) - before) * 512))

	members_hold md0 2 $((20 * M)) $((2 * M))
	members_hold md0 1 0 $((4 * M))
	# Its share of the two megabytes, rounded up to whole bits, and metadata.
	is_about 'bytes that brought the member up to date' $got $((512 * K)) $((4 * M))
	parity_is_right md0
	remove md0
done
