# If nothing is to be staged, I/O to memory that a member cannot reach is refused before any member is
# touched.
# run: soak
# topology: split
# modules: p2p
# trace: pci_nvme_map_addr
# timeout: 180
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

area=(--offset 12K --length 1500K --block-size 100K)
offset=$((12 * K)) length=$((1500 * K))

# distance NAME PROVIDER: prints the distance that this member says.
distance() { sed -n "s/^$(bdf "$2") //p" "/sys/block/md0/md/dev-$(basename "$(disk "$1")")/p2pdma_distance"; }

# no_member_failed: no member is failed or missing.
no_member_failed() {
	is 'degraded' "$(attr md0 degraded)" 0
	! grep -H faulty /sys/block/md0/md/dev-*/state || fail 'a member was failed'
}

# refuses VERB PROVIDER...: I/O is refused, the members keep their data, and no drive touches the memory.
refuses() {
	local verb=$1 provider before
	shift
	quietly p2pio write --memory host --seed 1 "${area[@]}" /dev/md0
	before=$(counter md0 refused_ios)
	for provider in "$@"; do
		dma refused 3 'EREMOTEIO (121)' p2pio "$verb" --memory "$(bdf "$provider")" --seed 2 "${area[@]}" /dev/md0
		is 'DMA to or from peer memory' "$peer" 0
	done
	(($(counter md0 refused_ios) > before)) || fail 'refused I/O was not counted'
	! redundant md0 || no_member_failed
	members_hold md0 1 $offset $length
	quietly p2pio check --memory host --seed 1 "${area[@]}" /dev/md0
}

modprobe md-p2p p2pdma_policy=direct
use_p2p
for level in linear 0 1 10; do
	size=--size=8M
	[[ $level != linear && $level != 0 ]] || size=

	say "$level on near0 and near1: only far0's memory is refused"
	create md0 $level 'near0 near1' ${size:+"$size"}
	is policy "$(counter md0 policy)" direct
	is state "$(counter md0 state)" direct
	is 'distance of near0 from far0' "$(distance near0 far0)" unreachable
	is 'distance of near1 from near2' "$(distance near1 near2)" 4
	refuses write far0
	refuses check far0
	quietly p2pio write --memory "$(bdf near2)" --seed 3 "${area[@]}" /dev/md0
	members_hold md0 3 $offset $length
	is 'bytes written direct' "$(counter md0 write_direct_bytes)" $length
	remove md0

	say "$level on near0 and far0: no provider reaches both"
	create md0 $level 'near0 far0' ${size:+"$size"}
	is 'distance of far0 from itself' "$(distance far0 far0)" 0
	refuses write near0 near2 far0
	remove md0
done

for level in 4 5 6; do
	say "$level: I/O that would be copied is refused"
	create md0 $level 'near0 near1 near2 far0' --chunk=64 --size=8M
	refuses write near0 far0
	quietly mdadm /dev/md0 --fail "$(disk near1)"
	quietly mdadm /dev/md0 --remove "$(disk near1)"
	refused 3 'EREMOTEIO (121)' p2pio check --memory "$(bdf near0)" --seed 1 "${area[@]}" /dev/md0
	quietly p2pio check --memory host --seed 1 "${area[@]}" /dev/md0
	is 'bytes staged' $(($(counter md0 read_staged_bytes) + $(counter md0 write_staged_bytes))) 0
	remove md0
done
