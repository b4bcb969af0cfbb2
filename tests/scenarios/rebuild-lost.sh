# A rebuild whose data peer memory refuses, or loses without a word, is done through host memory: the members hold the right bytes, and none is blamed.
# topology: switch
# modules: p2p
# add: picky.c amnesia.c
# timeout: 600
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

size=$((8 * M))

# A drive named picky, in front of near1.
make_picky() {
	build_modules picky amnesia
	quietly insmod picky.ko drive="$(disk near1)"
	echo "picky $(bdf near1) /dev/picky - -" >>/run/vm/drives
}
picky() { echo "$1" >/sys/module/picky/parameters/refuse; }

# prepare LEVEL NAME...: with seed 1 in all of it; the last member is lost, and holds something else.
prepare() {
	local last=${*: -1} options=(--size=$((size / K)) --assume-clean)
	[[ $1 == 1 ]] || options+=(--chunk=64)
	create md0 "$1" "${*:2}" "${options[@]}"
	bytes=$(($(blockdev --getsize64 /dev/md0)))
	quietly p2pio write --memory host --seed 1 --length $bytes /dev/md0
	quietly mdadm /dev/md0 --fail "$(disk "$last")"
	quietly mdadm /dev/md0 --remove "$(disk "$last")"
	quietly mdadm --zero-superblock "$(disk "$last")"
	quietly p2pio write --memory host --seed 9 --length 44M "$(disk "$last")"
	echo "$provider" >/sys/block/md0/md/p2pdma_provider
}

# rebuild NAME: onto this drive.
rebuild() {
	quietly mdadm /dev/md0 --add "$(disk "$1")"
	until_true is_whole md0
	members_hold md0 1 0 $bytes
	parity_is_right md0
	! grep -H '[^0]' /sys/block/md0/md/dev-*/errors || fail 'a member was blamed'
	! grep -H . /sys/block/md0/md/dev-*/bad_blocks || fail 'there are bad blocks'
	is 'bytes rebuilt' $(($(counter md0 rebuild_peer_bytes) + $(counter md0 rebuild_host_bytes))) $size
	is 'free peer memory' "$(pools)" "$free"
}

use_p2p
make_picky
provider=$(bdf near3)
free=$(pools)
for level in 1 10; do
	for how in 1 2 3; do
		say "raid$level: read from one that refuses ($how)"
		prepare $level picky near0
		picky $how
		rebuild near0
		is 'bytes through peer memory' "$(counter md0 rebuild_peer_bytes)" 0
		picky 0
		remove md0
	done
	for how in 1 2; do
		say "raid$level: written to one that refuses ($how)"
		prepare $level near0 picky
		picky $how
		rebuild picky
		is 'bytes through peer memory' "$(counter md0 rebuild_peer_bytes)" 0
		picky 0
		remove md0
	done
	if [[ $level == 1 ]]; then
		say "raid$level: one of two that are written refuses"
		prepare 1 near0 near2 picky
		quietly mdadm /dev/md0 --fail "$(disk near2)"
		quietly mdadm /dev/md0 --remove "$(disk near2)"
		echo frozen >/sys/block/md0/md/sync_action
		quietly mdadm /dev/md0 --add "$(disk near2)"
		picky 2
		quietly mdadm /dev/md0 --add "$(disk picky)"
		echo idle >/sys/block/md0/md/sync_action
		until_true is_whole md0
		members_hold md0 1 0 $bytes
		parity_is_right md0
		is 'bytes through peer memory' "$(counter md0 rebuild_peer_bytes)" $size
		is 'bytes through host memory' "$(counter md0 rebuild_host_bytes)" $size
		picky 0
		remove md0
	fi

	# It takes a while to forget what may be lent at once, from the start of the memory.
	say "raid$level: the memory forgets"
	size=$((40 * M))
	prepare $level near0 near2
	read -r _ _ _ _ at < <(grep ^near3 /run/vm/drives)
	quietly insmod amnesia.ko start="$at" size=$((3 * M))
	rebuild near2
	quietly rmmod amnesia
	(($(counter md0 rebuild_host_bytes) > 0)) || fail 'nothing was forgotten in time'
	say "raid$level: $(counter md0 rebuild_host_bytes) of $size bytes were forgotten"
	remove md0
	size=$((8 * M))
done
