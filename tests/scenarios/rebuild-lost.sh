# A rebuild is done through host memory if peer memory refuses its data, or loses them silently.
# Members hold the right bytes, no member is blamed, and what fails is tried seldom.
# run: soak
# topology: switch
# modules: p2p
# build: picky.c amnesia.c poolless.c
# timeout: 900
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

size=$((8 * M))

# make_picky: makes a drive named picky, in front of near1.
make_picky() {
	quietly insmod picky.ko drive="$(disk near1)"
	echo "picky $(bdf near1) /dev/picky - -" >>/run/vm/drives
}
picky() { echo "$1" >/sys/module/picky/parameters/refuse; }
refused_by_picky() { cat /sys/module/picky/parameters/refused; }

# prepare LEVEL NAME...: makes an array full of seed 1. The last member is lost, and holds other data.
prepare() {
	local last=${*: -1} options=(--size=$((size / K)) --assume-clean)
	[[ $1 == 1 ]] || options+=(--chunk=64)
	create md0 "$1" "${*:2}" "${options[@]}"
	bytes=$(($(blockdev --getsize64 /dev/md0)))
	quietly p2pio write --memory host --seed 1 --length $bytes /dev/md0
	quietly mdadm /dev/md0 --fail "$(disk "$last")"
	quietly mdadm /dev/md0 --remove "$(disk "$last")"
	wipe "$last" 44M
	echo "$provider" >/sys/block/md0/md/p2pdma_provider
}

rebuilt() { echo $(($(counter md0 rebuild_peer_bytes) + $(counter md0 rebuild_host_bytes))); }

# rebuild NAME: rebuilds the array onto this drive.
rebuild() {
	quietly mdadm /dev/md0 --add "$(disk "$1")"
	is_rebuilt
}
is_rebuilt() {
	until_true is_whole md0
	members_hold md0 1 0 $bytes
	parity_is_right md0
	! grep -H '[^0]' /sys/block/md0/md/dev-*/errors || fail 'a member was blamed'
	! grep -H . /sys/block/md0/md/dev-*/bad_blocks || fail 'there are bad blocks'
	is 'bytes rebuilt' "$(rebuilt)" $size
	is 'free peer memory' "$(pools)" "$free"
}

# forget: makes the memory of near3 forget from its start, where loans are. Less is lent, so that all loans are there,
# and the rebuild takes a while.
forget() {
	local at
	echo 12 >/sys/module/md_p2p/parameters/p2pdma_rebuild_share
	read -r _ _ _ _ at < <(grep ^near3 /run/vm/drives)
	quietly insmod amnesia.ko start="$at" size=$((3 * M))
}
remember() {
	quietly rmmod amnesia
	echo 25 >/sys/module/md_p2p/parameters/p2pdma_rebuild_share
}

use_p2p
make_picky
provider=$(bdf near3)
free=$(pools)
for level in 1 10; do
	for how in 1 2 3; do
		say "raid$level: the source refuses ($how)"
		prepare $level picky near0
		picky $how
		rebuild near0
		is 'bytes through peer memory' "$(counter md0 rebuild_peer_bytes)" 0
		picky 0
		remove md0
	done
	for how in 1 2; do
		say "raid$level: the target refuses ($how)"
		prepare $level near0 picky
		picky $how
		rebuild picky
		is 'bytes through peer memory' "$(counter md0 rebuild_peer_bytes)" 0
		picky 0
		remove md0
	done
	if [[ $level == 1 ]]; then
		say "raid$level: one of two targets refuses"
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
		# near2 got these bytes before the memory was given up for a while.
		is_about 'bytes through peer memory' "$(counter md0 rebuild_peer_bytes)" 1 $size
		is 'bytes rebuilt' "$(rebuilt)" $((2 * size))
		picky 0
		remove md0
	fi

	say "raid$level: the memory forgets"
	size=$((24 * M))
	prepare $level near0 near2
	forget
	quietly mdadm /dev/md0 --add "$(disk near2)"
	until_true is_whole md0
	remember
	is_rebuilt
	(($(counter md0 rebuild_host_bytes) > 0)) || fail 'nothing was forgotten in time'
	say "raid$level: $(counter md0 rebuild_host_bytes) of $size bytes were forgotten"
	remove md0
	size=$((8 * M))
done

say 'a transfer that never works is tried seldom'
size=$((24 * M))
prepare 1 near0 picky
before=$(refused_by_picky)
began=$(date +%s%3N)
picky 2
rebuild picky
picky 0
took=$(($(date +%s%3N) - began))
tried=$(($(refused_by_picky) - before)) buffers=$((size / (64 * K)))
# Buffers are tried at once, and after each pause. md has 32 buffers in flight.
for ((times = 1; 128 << times <= took; times++)); do :; done
say "$tried of $buffers buffers were tried, $times times within $took ms"
is_about 'buffers that were tried' $tried 1 $((32 * times))
remove md0

# of_near2 FILE: prints what md says of near2.
of_near2() { attr md0 "dev-$(basename "$(disk near2)")/$1"; }
is_in_sync() { [[ ,$(of_near2 state), == *,in_sync,* ]]; }

# while_lost COMMAND...: rebuilds near2 from picky, whose host reads fail, with memory that forgets.
while_lost() {
	echo frozen >/sys/block/md0/md/sync_action
	quietly "$@"
	forget
	picky 4
	echo idle >/sys/block/md0/md/sync_action
	until_true is_in_sync
	until_true is_whole md0
	picky 0
	remember
}

say 'raid1: the memory forgets, and the source cannot be read again, but another member can'
prepare 1 picky near0 near2
while_lost mdadm /dev/md0 --add "$(disk near2)"
is 'bad blocks of near2' "$(of_near2 bad_blocks)" ''
is 'bytes rebuilt' "$(rebuilt)" $size
members_hold md0 1 0 $bytes
remove md0

for level in 1 10; do
	say "raid$level: no other member can be read: near2 has bad blocks then, and is not blamed"
	prepare $level picky near2
	while_lost mdadm /dev/md0 --add "$(disk near2)"
	[[ $(of_near2 bad_blocks) ]] || fail 'nothing was lost'
	! grep -E 'write_error|want_replacement' <<<"$(of_near2 state)" || fail 'near2 was blamed'
	is_about 'bytes rebuilt' "$(rebuilt)" 1 $((size - 1))
	# near2 gives the right data, or an error for data that it lacks.
	quietly mdadm /dev/md0 --fail /dev/picky
	said=$(p2pio check --memory host --seed 1 --length $bytes --block-size 64K /dev/md0 2>&1) || true
	[[ $said == *failed* && $said != *differ* ]] || fail "$said"
	remove md0
done

say 'the driver of the provider changes to one that has no memory to give'
quietly insmod poolless.ko
driver() { basename "$(readlink "/sys/bus/pci/devices/$provider/driver")"; }
change_driver() {
	echo "$provider" >"/sys/bus/pci/drivers/$(driver)/unbind"
	echo "$1" >"/sys/bus/pci/devices/$provider/driver_override"
	echo "$provider" >"/sys/bus/pci/drivers/$1/bind"
}
has_begun() { (($(counter md0 rebuild_peer_bytes) > 0)); }
for _ in 1 2 3; do
	prepare 1 near0 near2
	# The rebuild must still run when the driver has changed.
	echo 100 >/sys/block/md0/md/sync_speed_min
	echo $((6000 / $(patience))) >/sys/block/md0/md/sync_speed_max
	quietly mdadm /dev/md0 --add "$(disk near2)"
	until has_begun; do :; done
	change_driver poolless
	! is_whole md0 || fail 'it was over before the driver had changed'
	is driver "$(driver)" poolless
	echo system >/sys/block/md0/md/sync_speed_min
	echo system >/sys/block/md0/md/sync_speed_max
	until_true is_whole md0
	change_driver nvme
	is_about 'bytes through peer memory' "$(counter md0 rebuild_peer_bytes)" 1 $((size - 1))
	is_rebuilt
	remove md0
done
