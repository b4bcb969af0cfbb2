# An array made under md-p2p is the same array under the kernel's md, byte for byte, and comes back as it
# was.
# run: test
# topology: switch
# modules: p2p
# timeout: 240
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

# The members of each array. Debian's kernel has no linear of its own.
declare -A members=(
	[md0]='near0p1 near1p1'
	[md1]='near2p1 near3p1'
	[md10]='near0p2 near1p2'
	[md4]='near2p2 near3p2 near0p3'
	[md5]='near1p3 near2p3 near3p3'
	[md6]='near0p4 near1p4 near2p4 near3p4'
)
half=$((1 * M))

# make_parts: makes four equal partitions on each drive, in a DOS table.
make_parts() {
	local name n
	for name in near0 near1 near2 near3; do
		{
			for n in 0 1 2 3; do
				printf '\0\0\0\0\xfd\0\0\0'
				little_endian $((2048 + n * 61440))
				little_endian 61440
			done
			printf '\x55\xaa'
		} | dd of="$(disk $name)" bs=1 seek=446 conv=fsync status=none
		blockdev --rereadpt "$(disk $name)"
	done
}

little_endian() {
	local shift
	for shift in 0 8 16 24; do printf '%b' "$(printf '\\x%02x' $(($1 >> shift & 255)))"; done
}

# find_parts MD: sets parts to the members of an array.
find_parts() {
	local part
	parts=()
	for part in ${members[$1]}; do parts+=("$(disk "${part%p?}")${part#near?}"); done
}

make_arrays() {
	for md in "${!members[@]}"; do
		find_parts "$md"
		quietly mdadm --create "/dev/$md" --run --metadata=1.2 --level="${md#md}" \
			--raid-devices=${#parts[@]} "${parts[@]}"
	done
	for md in "${!members[@]}"; do
		! redundant "$md" || until_true is_whole "$md"
	done
}

assemble_arrays() {
	for md in "${!members[@]}"; do
		find_parts "$md"
		quietly mdadm --assemble "/dev/$md" "${parts[@]}"
		is "level of $md" "$(attr "$md" level)" "raid${md#md}"
	done
}

check_parity() {
	for md in "${!members[@]}"; do ! redundant "$md" || parity_is_right "$md"; done
}

# io VERB MEMORY SEED OFFSET: does I/O of half a part of each array.
io() {
	for md in "${!members[@]}"; do
		quietly p2pio "$1" --memory "$2" --seed "$3" --offset "$4" --length $half "/dev/$md"
	done
}

# hold SEED OFFSET: every member of every array holds these data.
hold() {
	for md in "${!members[@]}"; do members_hold "$md" "$1" "$2" $half; done
}

# sums: prints the checksums of what was written to each array, as one word.
sums() {
	for md in "${!members[@]}"; do
		p2pio read --memory host --length $((2 * half)) --block-size 1M "/dev/$md" | sed "s/.* sha256 /$md:/"
	done | paste -s -d,
}

case ${1-made} in
made)
	say 'made under md-p2p'
	use_p2p
	make_parts
	make_arrays
	io write host 9 $half
	io write "$(bdf near0)" 1 0
	hold 1 0
	vmctl reboot --modules stock stock "$(sums)"
	;;
stock)
	say 'under the md of the kernel'
	without_udev
	! modinfo md-p2p 2>/dev/null || fail 'there is an md-p2p in the stock VM'
	assemble_arrays
	is 'contents of the arrays' "$(sums)" "$2"
	io check host 1 0
	check_parity
	io write host 2 $half
	hold 1 0
	hold 2 $half
	vmctl reboot --modules p2p back "$(sums)"
	;;
back)
	say 'back under md-p2p'
	use_p2p
	assemble_arrays
	is 'contents of the arrays' "$(sums)" "$2"
	io check "$(bdf near0)" 1 0
	io check "$(bdf near0)" 2 $half
	check_parity
	;;
*) fail "there is no stage $1" ;;
esac
