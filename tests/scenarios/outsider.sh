# A provider that is not a member of the array serves it as well as a member does.
# run: soak
# topology: nocmb
# modules: p2p
# trace: pci_nvme_map_addr
# timeout: 90
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

length=$((1 * M))

use_p2p
provider=$(bdf memory0)
for level in 0 1 5; do
	say "raid$level"
	create md0 $level 'near0 near1 near2 near3' --assume-clean
	is 'distances' "$(cat /sys/block/md0/md/dev-*/p2pdma_distance | uniq)" "$provider 4"
	dma p2pio write --memory "$provider" --seed 1 --length $length /dev/md0
	direct=$(counter md0 write_direct_bytes)
	staged=$(counter md0 write_staged_bytes)
	is 'bytes written' $((direct + staged)) $length
	((level == 1)) && copies=4 || copies=1
	is 'DMA from peer memory' "$peer" $((direct * copies))
	dma p2pio check --memory "$provider" --seed 1 --length $length /dev/md0
	is 'DMA into peer memory' "$peer" "$(counter md0 read_direct_bytes)"
	quietly p2pio check --memory host --seed 1 --length $length /dev/md0
	remove md0
done
