# Bad blocks, replacements, failfast and skip_copy mean the same for peer memory as for host memory.
# run: soak
# topology: split
# modules: p2p
# timeout: 200
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

readonly length=$((1 * M))

of() { echo "/sys/block/md0/md/dev-$(basename "$(disk "$1")")"; }

# holds NAME SEED: this mirror holds the data of the seed.
holds() {
	quietly p2pio check --memory host --seed "$2" --pattern-offset 0 --offset $(($(<"$(of "$1")/offset") * 512)) \
		--length $length "$(disk "$1")"
}

write() { quietly p2pio write --memory "$provider" --seed "$1" --length $length --block-size 100K /dev/md0; }
check() { quietly p2pio check --memory "$provider" --seed "$1" --length $length --block-size 100K /dev/md0; }

is_replaced() { is_whole md0 && [[ ! -e $(of near0) || $(<"$(of near0)/state") == faulty* ]]; }

use_p2p
provider=$(bdf near1)
for level in 1 10; do
	say "raid$level: bad blocks"
	shape_of $level
	create md0 $level 'near0 near2' "${shape[@]}"
	write 1
	# The block holds other data, and is known to be bad. md takes it for good again once it has been written.
	bad=$((256 * K)) size=$((8 * K))
	offset=$(<"$(of near0)/offset")
	quietly p2pio write --memory host --seed 9 --offset $((offset * 512 + bad)) --length $size "$(disk near0)"
	echo $((offset + bad / 512)) $((size / 512)) >"$(of near0)/bad_blocks"
	for _ in 1 2 3; do check 1; done
	write 2
	members_hold md0 2 0 $length
	is 'bad blocks' "$(<"$(of near0)/bad_blocks")" ''
	check 2
	is degraded "$(attr md0 degraded)" 0
	is 'bytes staged' $(($(counter md0 read_staged_bytes) + $(counter md0 write_staged_bytes))) 0
	remove md0

	say "raid$level: a near member is replaced by a far one"
	create md0 $level 'near0 near2' "${shape[@]}"
	write 3
	quietly mdadm /dev/md0 --add "$(disk far0)"
	quietly mdadm /dev/md0 --replace "$(disk near0)" --with "$(disk far0)"
	write 4
	check 4
	until_true is_replaced
	quietly mdadm /dev/md0 --remove "$(disk near0)"
	check 4
	members_hold md0 4 0 $length
	write 5
	members_hold md0 5 0 $length
	parity_is_right md0
	quietly mdadm --zero-superblock "$(disk near0)"
	remove md0

	say "raid$level: failfast"
	create md0 $level 'near0 near2' "${shape[@]}" --failfast
	write 6
	quietly vmctl fail near0 read
	check 6
	quietly vmctl heal near0
	write 7
	check 7
	holds near2 7
	remove md0
done

say 'raid5: skip_copy'
shape_of 5
create md0 5 'near0 near2 far0' "${shape[@]}"
echo 1 >/sys/block/md0/md/skip_copy
write 8
check 8
members_hold md0 8 0 $length
parity_is_right md0
remove md0
