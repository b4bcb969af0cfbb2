# Each member holds the right bytes after reads and writes of any size, at any place, through several
# memories at once.
# run: test
# topology: split
# soak: switch nocmb mixed big iommu
# parallel: yes
# modules: p2p
# seed: yes
# timeout: 300
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

readonly length=$((1500 * K)) ops=150

has() { grep -q "^$1 " /run/vm/drives; }

# arrange: sets names to the members of an array of this level, and providers to the drives that lend their memory.
arrange() {
	providers='near0 near2'
	names='near0 near1 near2 near3'
	if has far0; then
		names='near0 near1 near2 far0' providers='near1 far0'
	elif has memory0; then
		providers=memory0
	elif has left0; then
		# One drive behind each switch is not a member.
		names='left0 right1 left2 right3' providers='left0 left1 right0 right3'
	elif has other0; then
		# other0 cannot map peer memory at all.
		names='near0 near1 near2 other0'
	fi
}

# Makes an array with small chunks, and with small members if that makes a resync shorter.
create_array() {
	local options=()
	[[ $level == 1 ]] || options+=(--chunk=64)
	[[ $level == linear || $level == 0 ]] || options+=(--size=8M)
	create md0 "$level" "$names" "${options[@]}"
}

# begin: prints where the area begins. This is within a chunk. With linear, two members have a part of the area.
begin() {
	case $level in
	linear) echo $(($(attr md0 rd0/size) * K - 700 * K - 512)) ;;
	*) echo $((12 * K + 512)) ;;
	esac
}

# mix MEMORY...: does many ops through all of these memories. /tmp/said has what p2pio says.
mix() {
	local memory options=()
	for memory; do options+=(--memory "$memory"); done
	p2pio mix "${options[@]}" --seed $seed --ops $ops --depth 6 --model /tmp/model \
		--offset "$start" --length $length --json /dev/md0 >/tmp/said
}

# peer_bytes: sets read and written to the bytes that went through peer memory, as p2pio counts them.
peer_bytes() {
	read -r read written < <(python3 -IS -c '
import json
memories = [m for m in json.load(open("/tmp/said"))["memories"] if m["memory"] != "host"]
print(*(sum(m[key] for m in memories) for key in ("read_bytes", "written_bytes")))
')
}

# counted DIRECTION: prints these bytes, as the array counts them.
counted() { echo $(($(counter md0 "$1_direct_bytes") + $(counter md0 "$1_staged_bytes"))); }

use_p2p
free=$(pools)
# The first argument is the seed of the I/O.
seed=${1:-0}
for level in linear 0 1 10 4 5 6; do
	arrange
	say "$level of $names, through host $providers"
	create_array
	start=$(begin) seed=$((seed + 1)) memories=(host)
	for name in $providers; do memories+=("$(bdf "$name")"); done

	mix "${memories[@]}"
	peer_bytes
	is 'bytes read into peer memory' "$(counted read)" "$read"
	is 'bytes written from peer memory' "$(counted write)" "$written"
	is 'peer I/O refused' "$(counter md0 refused_ios)" 0
	members_match md0 /tmp/model "$start" $length
	! redundant md0 || parity_is_right md0
	remove md0
done
is 'free peer memory' "$(pools)" "$free"
