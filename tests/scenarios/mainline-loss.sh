# The kernel's own md still reports success for peer writes that a mirror never got.
# This is the loss that md-p2p prevents.
# run: soak
# topology: split
# modules: stock
# timeout: 90
#
# SPDX-License-Identifier: GPL-2.0
#
# Once the kernel's md is mended, this ends with `mended: ...`, and is skipped.
. ./lib.bash

offset=$((12 * K)) length=$((1500 * K))
area=(--offset "$offset" --length "$length" --block-size 100K)

mended() { skip "mended: $*, on $(uname -r), level $level"; }

# holders SEED: prints the members that hold the data of the seed. Each member is read by itself.
holders() {
	local member found=()
	for member in $(members md0); do
		! p2pio check --memory host --seed "$1" --pattern-offset $offset --length $length \
			--offset $((${member#*@} + offset)) "${member%@*}" >/dev/null 2>&1 || found+=("${member%@*}")
	done
	echo "${found[*]}"
}

# loses "NAME..." PROVIDER "NAME...": a mirror of these drives reports success for a write from this provider.
# Only the drives named last hold it. The others hold their old data.
loses() {
	local all reached
	create md0 "$level" "$1" --size=8M
	all=$(named "$1") reached=$(named "$3")
	quietly p2pio write --memory host --seed 1 "${area[@]}" /dev/md0
	is 'members that hold what host memory wrote' "$(holders 1)" "$all"

	p2pio write --memory "$(bdf "$2")" --seed 2 "${area[@]}" /dev/md0 || mended 'the write is refused'
	[[ $(attr md0 degraded) == 0 ]] || mended 'the member that was not written is failed'
	[[ $(holders 2) != "$all" ]] || mended 'all members are written'
	is 'members that hold the write' "$(holders 2)" "$reached"
	is 'members that still hold the old data' "$(holders 1)" "$(without "$all" "$reached")"

	echo check >/sys/block/md0/md/sync_action
	until_true is_whole md0
	is 'md finds a difference' $(($(attr md0 mismatch_cnt) > 0)) $((${#reached} > 0))
	remove md0
}

named() {
	local name disks=()
	for name in $1; do disks+=("$(disk "$name")"); done
	echo "${disks[*]}"
}

without() { tr ' ' '\n' <<<"$1" | grep -vxF "${2:-none}" | xargs; }

without_udev
for level in 1 10; do
	say "$level: the memory of near0 is reached by near0, and not by far0"
	loses 'near0 far0' near0 near0
	say "$level: the memory of far0 is reached by neither near0 nor near1"
	loses 'near0 near1' far0 ''
done
