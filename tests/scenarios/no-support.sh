# A member that cannot do P2PDMA at all is given host pages, whenever it joins.
# If nothing is to be staged, peer I/O is refused.
# run: soak
# topology: mixed
# modules: p2p
# trace: pci_nvme_map_addr
# timeout: 180
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

length=$((1 * M))

# contents: prints what the members hold, whoever wrote it.
contents() {
	local name
	for name in near0 near1 other0; do
		p2pio read --memory host --offset 1M --length 4M "$(disk $name)"
	done
}

# refuses VERB...: p2pio ends with EREMOTEIO, no drive touches peer memory, and no member changes.
refuses() {
	local before
	before=$(contents)
	dma refused 3 'EREMOTEIO (121)' p2pio "$@" --memory "$provider" --seed 2 --length $length /dev/md0
	is 'DMA to or from peer memory' "$peer" 0
	is 'contents of the members' "$(contents)" "$before"
}

works() {
	quietly p2pio write --memory "$provider" --seed "$1" --length $length /dev/md0
	quietly p2pio check --memory "$provider" --seed "$1" --length $length /dev/md0
	members_hold md0 "$1" 0 $length
}

# is_staged SEED: writes. The data are copied, so that no drive reads peer memory.
is_staged() {
	is p2pdma_state "$(counter md0 state)" staged
	counter md0 reason | grep -x "$other0 cannot map peer memory" >/dev/null || fail "reasons: $(counter md0 reason)"
	dma p2pio write --memory "$provider" --seed "$1" --length $length /dev/md0
	is 'DMA from peer memory' "$peer" 0
	works "$1"
}

use_p2p
provider=$(bdf near2) other0=$(basename "$(disk other0)")
for level in 1 5; do
	say "raid$level"
	state=direct
	[[ $level == 1 ]] || state=staged
	create md0 $level 'near0 near1' --size=8M
	is p2pdma_state "$(counter md0 state)" $state
	works 1

	quietly mdadm /dev/md0 --add "$(disk other0)"
	is 'distances of the spare' "$(sed 's/.* //' "/sys/block/md0/md/dev-$other0/p2pdma_distance" | uniq)" unreachable
	is_staged 2

	say "raid$level on three members, one of which is other0"
	quietly mdadm --grow /dev/md0 --raid-devices=3
	until_true is_whole md0
	is members "$(attr md0 raid_disks)" 3
	is_staged 3

	say "raid$level without it"
	quietly mdadm /dev/md0 --fail "$(disk other0)"
	quietly mdadm /dev/md0 --remove "$(disk other0)"
	is p2pdma_state "$(counter md0 state)" $state
	works 4
	quietly mdadm --zero-superblock "$(disk other0)"
	remove md0
done

for level in linear 0 1 10 5; do
	say "$level made with it"
	shape_of $level
	create md0 $level 'near0 near1 other0' "${shape[@]}"
	is p2pdma_state "$(counter md0 state)" staged
	works 5
	echo direct >/sys/block/md0/md/p2pdma_policy
	refuses write
	quietly p2pio check --memory host --seed 5 --length $length /dev/md0
	remove md0
done

say 'raid5 with other0 as a write journal, which gets copies only'
create md0 5 'near0 near1 near2' --size=8M --write-journal "$(disk other0)"
is reasons "$(counter md0 reason)" 'parity is computed from copies in the stripe cache'
works 6
quietly mdadm --stop /dev/md0
quietly mdadm --assemble /dev/md0 "$(disk other0)" "$(disk near0)" "$(disk near1)" "$(disk near2)"
is 'p2pdma_state, assembled' "$(counter md0 state)" staged
works 7
remove md0
