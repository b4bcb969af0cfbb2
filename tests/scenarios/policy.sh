# The policy can be changed at any time.
# I/O that must not be staged is refused before any member is touched.
# run: soak
# topology: split
# parallel: yes
# modules: p2p
# trace: pci_nvme_map_addr
# timeout: 240
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

readonly start=$((64 * K)) length=$((512 * K))
area=(--offset "$start" --length "$length" --block-size 64K /dev/md0)
in_one=(--offset "$start" --length "$length" --block-size "$length" /dev/md0)

policy() { echo "$1" >/sys/block/md0/md/p2pdma_policy; }

# flip: changes the policy again and again.
flip() {
	local word
	for _ in {1..30}; do
		for word in direct off auto; do policy $word; done
	done
}

use_p2p
near=$(bdf near0) far=$(bdf far0)
for level in 0 1 10 5; do
	say "$level"
	shape_of $level
	create md0 $level 'near0 near1 near2 far0' "${shape[@]}"
	is policy "$(attr md0 p2pdma_policy)" auto
	quietly p2pio write --memory host --seed 1 "${area[@]}"

	policy direct
	for provider in "$near" "$far"; do
		dma refused 3 'EREMOTEIO (121)' p2pio write --memory "$provider" --seed 2 "${in_one[@]}"
		is 'DMA from peer memory' "$peer" 0
	done
	members_hold md0 1 $start $length
	is 'bytes staged' $(($(counter md0 read_staged_bytes) + $(counter md0 write_staged_bytes))) 0

	policy off
	is state "$(attr md0 p2pdma_state)" off
	refused 3 'EREMOTEIO (121)' p2pio check --memory "$near" --seed 1 "${area[@]}"
	! (policy sometimes) 2>/dev/null || fail 'a policy of no meaning was taken'
	is policy "$(attr md0 p2pdma_policy)" off

	policy auto
	is state "$(attr md0 p2pdma_state)" staged
	quietly p2pio write --memory "$far" --seed 3 "${area[@]}"
	members_hold md0 3 $start $length

	say "$level: flipped under load"
	flip &
	flipping=$!
	while kill -0 $flipping 2>/dev/null; do
		p2pio write --memory "$near" --seed 4 "${area[@]}" >/dev/null 2>&1 || true
		p2pio check --memory "$far" --seed 4 "${area[@]}" >/dev/null 2>&1 || true
	done
	wait $flipping
	quietly p2pio write --memory "$near" --seed 5 "${area[@]}"
	members_hold md0 5 $start $length
	! redundant md0 || parity_is_right md0
	remove md0
done
