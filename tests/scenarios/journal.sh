# Data from peer memory pass through a write journal or a partial parity log, and are there after the array
# is restarted.
# run: soak
# topology: switch
# modules: p2p
# timeout: 120
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

area=(--offset 12K --length 3000K --block-size 44K)

# restart "NAME...": stops the array, and assembles it again of the drives with these names.
restart() {
	local name disks=()
	for name in $1; do disks+=("$(disk "$name")"); done
	quietly mdadm --stop /dev/md0
	quietly mdadm --assemble /dev/md0 "${disks[@]}"
	until_true is_whole md0
}

# tried "NAME...": writes and reads with peer memory, before and after a restart.
tried() {
	quietly p2pio write --memory "$provider" --seed 1 "${area[@]}" /dev/md0
	quietly p2pio check --memory "$provider" --seed 1 "${area[@]}" /dev/md0
	is 'bytes written staged' "$(counter md0 write_staged_bytes)" $((3000 * K))
	is 'bytes written direct' "$(counter md0 write_direct_bytes)" 0
	restart "$1"
	members_hold md0 1 $((12 * K)) $((3000 * K))
	quietly p2pio check --memory "$provider" --seed 1 "${area[@]}" /dev/md0
	parity_is_right md0
	remove md0
}

use_p2p
provider=$(bdf near3)

say 'raid5 with a write journal'
create md0 5 'near0 near1 near2' --size=16M --chunk=64 --write-journal "$(disk near3)"
is 'consistency policy' "$(attr md0 consistency_policy)" journal
grep -q '\[J\]\|(J)' /proc/mdstat || fail "no journal in /proc/mdstat: $(cat /proc/mdstat)"
is 'p2pdma_state' "$(counter md0 state)" staged
tried 'near0 near1 near2 near3'

say 'raid5 with a write journal that writes back'
create md0 5 'near0 near1 near2' --size=16M --chunk=64 --write-journal "$(disk near3)"
echo write-back >/sys/block/md0/md/journal_mode
tried 'near0 near1 near2 near3'

say 'raid5 with a partial parity log'
create md0 5 'near0 near1 near2 near3' --size=16M --chunk=64 --consistency-policy=ppl
is 'consistency policy' "$(attr md0 consistency_policy)" ppl
tried 'near0 near1 near2 near3'
