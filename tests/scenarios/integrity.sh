# Drives that check protection information (T10 PI) find no block wrong, whatever memory it came from.
# Arrays pass the information on as the kernel's arrays do.
# run: soak
# topology: protected
# modules: stock
# add: pi.py
# timeout: 300
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

readonly start=$((12 * K)) length=$((1500 * K))
# Longer than one piece that is staged.
readonly informed=$((320 * K))

# Blocks of an emulated drive have no valid protection information until they are written.
write_drives() {
	local name
	for name in near0 near1 near2 far0; do
		quietly p2pio write --memory host --seed 9 --block-size 512K "$(disk $name)"
	done
}

make_array() {
	local options=(--bitmap=none)
	[[ $1 == 1 ]] || options+=(--chunk=64)
	[[ $1 == 0 ]] || options+=(--size=8M)
	create md0 "$1" "$2" "${options[@]}"
}

# profile: prints the integrity profile of the array in one word.
profile() { (cd /sys/block/md0/integrity && grep . -- *) | paste -s -d,; }

nothing_was_wrong() { ! dmesg | grep -i 'protection error\|invalid error\|integrity' || fail 'a block was wrong'; }

# moves BLOCK_SIZE: writes from each memory, and reads into each.
moves() {
	local memory reader seed=0 area=(--offset "$start" --length "$length" --block-size "$1" /dev/md0)
	for memory in "${memories[@]}"; do
		seed=$((seed + 1))
		quietly p2pio write --memory "$memory" --seed $seed "${area[@]}"
		members_hold md0 $seed $start $length
		for reader in "${memories[@]}"; do
			quietly p2pio check --memory "$reader" --seed $seed "${area[@]}"
		done
	done
}

# moves_informed: likewise, with protection information that the application makes and checks. No memory here is a
# member's own, because an emulated drive refuses a list of several pages of such information in its own memory.
moves_informed() {
	local memory reader
	for memory in "${memories[@]}"; do
		quietly p2pio write --memory host --seed 9 --length $informed /dev/md0
		quietly python3 pi.py write /dev/md0 0 data tuples "$memory" host
		members_hold md0 1 0 $informed
		for reader in "${memories[@]}"; do
			quietly python3 pi.py read /dev/md0 0 data tuples "$reader" host
		done
	done
}

case ${1-stock} in
stock)
	without_udev
	write_drives
	quietly dmesg --clear
	profiles=()
	for level in 0 1 10 5; do
		make_array $level 'near0 near1 far0'
		profiles+=("$level=$(profile)")
		remove md0
	done
	nothing_was_wrong
	vmctl reboot --modules p2p p2p "${profiles[@]}"
	;;
p2p)
	use_p2p
	quietly dmesg --clear
	free=$(pools)
	memories=(host "$(bdf near2)" "$(bdf far0)")
	truncate --size=$informed data
	quietly p2pio write --memory host --seed 1 data
	python3 pi.py make data >tuples
	for expected in "${@:2}"; do
		level=${expected%%=*}
		for members in 'near0 near1' 'near0 near1 far0'; do
			say "$level of $members: $(cut -d , -f 2 <<<"$expected")"
			make_array "$level" "$members"
			is profile "$level=$(profile)" "$expected"
			moves 20K
			moves 500K
			[[ $expected == *format:none* || $members == *far0* ]] || moves_informed
			is 'peer I/O refused' "$(counter md0 refused_ios)" 0
			(($(counter md0 write_staged_bytes) > 0)) || fail 'nothing was staged'
			! redundant md0 || parity_is_right md0
			remove md0
		done
	done
	nothing_was_wrong
	is 'free peer memory' "$(pools)" "$free"
	;;
*) fail "there is no stage $1" ;;
esac
