# A member that cannot do P2PDMA takes the advertisement back when it joins: peer I/O is refused from then on and changes nothing.
# topology: mixed
# modules: p2p
# trace: pci_nvme_map_addr
# timeout: 90
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

length=$((1 * M))

# What the members hold, whoever wrote it.
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

use_p2p
provider=$(bdf near2)
for level in 1 5; do
	say "raid$level"
	state=direct
	[[ $level == 1 ]] || state=staged
	create md0 $level 'near0 near1' --size=8M
	is p2pdma_state "$(counter md0 state)" $state
	works 1

	quietly mdadm /dev/md0 --add "$(disk other0)"
	is 'p2pdma_state with a spare that cannot' "$(counter md0 state)" off
	is 'distances of the spare' "$(sed 's/.* //' "/sys/block/md0/md/dev-$(basename "$(disk other0)")/p2pdma_distance" | uniq)" unreachable
	refuses write
	refuses check
	quietly p2pio check --memory host --seed 1 --length $length /dev/md0

	say "raid$level on three members, one of which cannot"
	quietly mdadm --grow /dev/md0 --raid-devices=3
	until_true is_whole md0
	is members "$(attr md0 raid_disks)" 3
	refuses write
	refuses check
	members_hold md0 1 0 $length

	say "raid$level without it"
	quietly mdadm /dev/md0 --fail "$(disk other0)"
	quietly mdadm /dev/md0 --remove "$(disk other0)"
	is p2pdma_state "$(counter md0 state)" $state
	works 3
	quietly mdadm --zero-superblock "$(disk other0)"
	remove md0

	say "raid$level made with it"
	create md0 $level 'near0 near1 other0' --size=8M
	is p2pdma_state "$(counter md0 state)" off
	quietly p2pio write --memory host --seed 4 --length $length /dev/md0
	refuses write
	members_hold md0 4 0 $length
	remove md0
done

say 'raid5 with a write journal that cannot: it is handed copies only'
create md0 5 'near0 near1 near2' --size=8M --write-journal "$(disk other0)"
is p2pdma_state "$(counter md0 state)" staged
works 5
quietly mdadm --stop /dev/md0
quietly mdadm --assemble /dev/md0 "$(disk other0)" "$(disk near0)" "$(disk near1)" "$(disk near2)"
is 'p2pdma_state, assembled' "$(counter md0 state)" staged
works 6
remove md0
