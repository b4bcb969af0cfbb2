# Peer memory is filled from the nearest mirror that reaches it.
# A far mirror is read only if no other one is left.
# run: soak
# topology: split
# modules: p2p
# timeout: 150
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

readonly length=$((1 * M))

read_bytes() { attr md0 "dev-$(basename "$(disk "$1")")/p2pdma_read_bytes"; }

# reads PROVIDER NAME...: reads into this memory. The data come from these members.
reads() {
	local provider=$1 name sum=0
	local -A before=()
	shift
	for name in "$@"; do before[$name]=$(read_bytes "$name"); done
	staged=$(counter md0 read_staged_bytes)
	quietly p2pio check --memory "$(bdf "$provider")" --seed 1 --length $length --block-size 16K --depth 16 /dev/md0
	staged=$(($(counter md0 read_staged_bytes) - staged))
	for name in "$@"; do sum=$((sum + $(read_bytes "$name") - before[$name])); done
	is "bytes that $* read into the memory of $provider" $((sum + staged)) $length
}

lose() {
	quietly mdadm /dev/md0 --fail "$(disk "$1")"
	quietly mdadm /dev/md0 --remove "$(disk "$1")"
}

use_p2p
say raid1
create md0 1 'near0 near1 near2 far0' --size=8M
quietly p2pio write --memory host --seed 1 --length $length /dev/md0
reads near1 near1
reads far0 far0
is 'bytes staged' "$staged" 0
lose near1
reads near1 near0 near2
is 'bytes staged' "$staged" 0
echo writemostly >"/sys/block/md0/md/dev-$(basename "$(disk near0)")/state"
reads near1 near2
is 'bytes staged' "$staged" 0
lose near2
# near0 is write-mostly, but no other member reaches.
reads near1 near0
is 'bytes staged' "$staged" 0
lose near0
reads near1
is 'bytes staged' "$staged" $length
remove md0

say raid10
create md0 10 'near0 near1 near2 far0' --chunk=64 --size=8M
quietly p2pio write --memory host --seed 1 --length $length /dev/md0
reads near1 near1 near2
is 'bytes staged' "$staged" 0
reads far0 far0
is 'bytes staged' "$staged" $((length / 2))
lose near1
lose near2
reads near1 near0
is 'bytes staged' "$staged" $((length / 2))
remove md0
