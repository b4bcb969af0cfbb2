# A write-mostly mirror is written like the others, and is not read.
# Writes that md holds back for it are copied, and counted as staged.
# run: soak
# topology: switch
# modules: p2p
# timeout: 90
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

length=$((4 * M))

use_p2p
provider=$(bdf near0)

say 'write-mostly'
create md0 1 'near0 near1 near2' --size=16M --assume-clean
echo writemostly >"/sys/block/md0/md/dev-$(basename "$(disk near2)")/state"
quietly p2pio write --memory "$provider" --seed 1 --length 4M /dev/md0
before=$(sectors_read near2)
quietly p2pio check --memory "$provider" --seed 1 --length 4M --depth 16 /dev/md0
is 'sectors read from the write-mostly mirror' $(($(sectors_read near2) - before)) 0
members_hold md0 1 0 $length
is 'bytes written direct' "$(counter md0 write_direct_bytes)" $length
remove md0

say 'write-mostly, writing behind'
quietly mdadm --create /dev/md0 --run --metadata=1.2 --level=1 --raid-devices=3 --size=16M --assume-clean \
	--bitmap=internal --write-behind=64 "$(disk near0)" "$(disk near1)" --write-mostly "$(disk near2)"
# md only writes behind what the bitmap counts.
until_true is_whole md0
quietly p2pio write --memory "$provider" --seed 2 --length 4M --depth 1 /dev/md0
is 'bytes written from peer memory' \
	$(($(counter md0 write_direct_bytes) + $(counter md0 write_staged_bytes))) $length
staged=$(counter md0 write_staged_bytes)
((staged > 0)) || fail 'nothing was written behind'
echo direct >/sys/block/md0/md/p2pdma_policy
quietly p2pio write --memory "$provider" --seed 2 --length 4M --depth 1 /dev/md0
is 'bytes staged under the policy direct' $(($(counter md0 write_staged_bytes) - staged)) 0
quietly mdadm --stop /dev/md0
quietly mdadm --assemble /dev/md0 "$(disk near0)" "$(disk near1)" "$(disk near2)"
members_hold md0 2 0 $length
