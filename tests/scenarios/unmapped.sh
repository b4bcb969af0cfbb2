# A member that cannot map or transfer peer memory, whatever its distance says, is not blamed.
# The I/O is repeated through host memory.
# run: test
# topology: switch
# modules: p2p
# build: picky.c
# timeout: 300
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

readonly start=$((12 * K)) length=$((1500 * K))
area=(--offset "$start" --length "$length" --block-size 100K /dev/md0)

# make_picky: makes a drive named picky, in front of near1.
make_picky() {
	quietly insmod picky.ko drive="$(disk near1)"
	echo "picky $(bdf near1) /dev/picky - -" >>/run/vm/drives
}

picky() { echo "$1" >/sys/module/picky/parameters/refuse; }

# counted DIRECTION LENGTH: so many bytes were counted in this direction, and some of them were staged.
counted() {
	local direct staged
	direct=$(counter md0 "$1_direct_bytes") staged=$(counter md0 "$1_staged_bytes")
	is "bytes of $1, direct and staged" $((direct + staged)) "$2"
	((staged > 0)) || fail "nothing of $1 was staged"
}

# refusals: prints the number of I/Os that picky has refused so far.
refusals() { echo "$(</sys/module/picky/parameters/refused)"; }

write_once() { p2pio write --memory "$provider" --seed 4 --length 4K /dev/md0; }

# leaves_alone NAME: direct I/O with this member has failed, and is not tried for a while.
leaves_alone() {
	quietly write_once
	grep -qx "$1 failed direct I/O with $provider, .*" /sys/block/md0/md/p2pdma_reason
}

writes_direct() {
	local direct
	direct=$(counter md0 write_direct_bytes)
	quietly write_once
	(($(counter md0 write_direct_bytes) > direct))
}

no_member_failed() {
	! grep -HE 'faulty|write_error|want_replacement' /sys/block/md0/md/dev-*/state || fail 'a member was blamed'
	is 'bad blocks' "$(cat /sys/block/md0/md/dev-*/bad_blocks)" ''
	is 'read errors' "$(cat /sys/block/md0/md/dev-*/errors | sort -u)" 0
	! redundant md0 || is degraded "$(attr md0 degraded)" 0
}

use_p2p
make_picky
provider=$(bdf near2)
free=$(pools)
for level in linear 0 1 10 5; do
	say "$level"
	picky 0
	shape_of $level
	create md0 $level 'picky near0 near3' "${shape[@]}"
	quietly p2pio write --memory host --seed 1 "${area[@]}"
	is 'distance of picky' "$(sed -n "s/^$provider //p" /sys/block/md0/md/dev-picky/p2pdma_distance)" 4

	for how in 1 2; do
		picky $how
		quietly p2pio write --memory "$provider" --seed 2 "${area[@]}"
		no_member_failed
		members_hold md0 2 $start $length
		counted write $((how * length))
		for _ in 1 2; do quietly p2pio check --memory "$provider" --seed 2 "${area[@]}"; done
		no_member_failed
		[[ $level == 1 || $level == 10 ]] || counted read $((how * 2 * length))
	done
	picky 1

	say "$level: no two members differ even if nothing is to be staged"
	echo direct >/sys/block/md0/md/p2pdma_policy
	if [[ $level == 5 ]]; then
		refused 3 'EREMOTEIO (121)' p2pio write --memory "$provider" --seed 3 "${area[@]}"
		seed=2
	else
		quietly p2pio write --memory "$provider" --seed 3 "${area[@]}"
		seed=3
	fi
	# A mirror may read another member than picky, and the stripe cache treats this like any other read error.
	[[ $level != linear && $level != 0 ]] ||
		refused 3 'EREMOTEIO (121)' p2pio check --memory "$provider" --seed $seed "${area[@]}"
	no_member_failed
	picky 0
	members_hold md0 $seed $start $length
	! redundant md0 || parity_is_right md0
	remove md0
done

say 'direct I/O that fails again and again is not tried for a while, until it works'
shape_of 1
create md0 1 'picky near0' "${shape[@]}"
picky 1
before=$(refusals)
quietly p2pio write --memory "$provider" --seed 4 --length 1M --block-size 4K /dev/md0
is_about 'tries among 256 writes' $(($(refusals) - before)) 1 16
until_true leaves_alone picky
picky 0
until_true writes_direct
# After a success the first pause is short again.
picky 1
quietly write_once
picky 0
sleep 1
writes_direct || fail 'after a success one failure has too long a pause'
remove md0
rmmod picky
is 'free peer memory' "$(pools)" "$free"
