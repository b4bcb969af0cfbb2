# Whatever is read and written through several memories at once, of any size and at any place: each member holds the right bytes.
# run: test
# topology: split
# soak: switch nocmb mixed big iommu
# parallel: yes
# modules: p2p
# timeout: 300
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

readonly length=$((1500 * K)) ops=150

has() { grep -q "^$1 " /run/vm/drives; }

# arrange: sets names to the members of an array of this level, and providers to the drives
# whose memory goes with them.
arrange() {
	providers='near0 near2'
	names='near0 near1 near2 near3'
	if has far0; then
		names='near0 near1 near2 far0' providers='near1 far0'
	elif has memory0; then
		providers=memory0
	elif has left0; then
		# One of each switch is no member.
		names='left0 right1 left2 right3' providers='left0 left1 right0 right3'
	elif has other0; then
		# It cannot map peer memory at all.
		names='near0 near1 near2 other0'
	fi
}

# Small chunks, and small members where that means less to bring in sync.
create_array() {
	local options=()
	[[ $level == 1 ]] || options+=(--chunk=64)
	[[ $level == linear || $level == 0 ]] || options+=(--size=8M)
	create md0 "$level" "$names" "${options[@]}"
}

# Where the area begins: within a chunk; of linear, so that two members have a part of it.
begin() {
	case $level in
	linear) echo $(($(attr md0 rd0/size) * K - 700 * K - 512)) ;;
	*) echo $((12 * K + 512)) ;;
	esac
}

# mix MEMORY...: many ops through all of them. What it says is in /tmp/said.
mix() {
	local memory options=()
	for memory; do options+=(--memory "$memory"); done
	p2pio mix "${options[@]}" --seed $seed --ops $ops --depth 6 --model /tmp/model \
		--offset "$start" --length $length --json /dev/md0 >/tmp/said
}

# Sets read and written to the bytes that went through peer memory, as p2pio counts them.
peer_bytes() {
	read -r read written < <(python3 -IS -c '
import json
memories = [m for m in json.load(open("/tmp/said"))["memories"] if m["memory"] != "host"]
print(*(sum(m[key] for m in memories) for key in ("read_bytes", "written_bytes")))
')
}

# counted DIRECTION: likewise, as the array counts it.
counted() { echo $(($(counter md0 "$1_direct_bytes") + $(counter md0 "$1_staged_bytes"))); }

use_p2p
free=$(pools)
# Another first argument makes up other I/O.
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
