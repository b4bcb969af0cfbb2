# Speed limits, sync_min, sync_max, frozen, suspended I/O and several rebuilds at once mean what they always
# meant.
# run: soak
# topology: switch
# modules: p2p
# timeout: 240
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

readonly size=$((16 * M))

# nothing_lent: nothing is lent while nothing moves.
nothing_lent() { is 'free peer memory' "$(pools)" "$free"; }
action() { echo "$2" >"/sys/block/$1/md/sync_action"; }
rebuilt() { counter "$1" rebuild_peer_bytes; }
has_rebuilt() { (($(rebuilt md0) >= $1)); }
is_frozen() { [[ $(attr md0 sync_action) == frozen ]]; }
is_at() { [[ $(attr md0 sync_completed) == "$1 / "* ]]; }

# unsynced MD NAME NAME: makes an array in which a recovery onto the second drive waits for its start.
unsynced() {
	create "$1" 1 "$2 $3" --size=$((size / K)) --assume-clean
	quietly p2pio write --memory host --seed 1 --length $size "/dev/$1"
	quietly mdadm "/dev/$1" --fail "$(disk "$3")"
	quietly mdadm "/dev/$1" --remove "$(disk "$3")"
	wipe "$3" 18M
	action "$1" frozen
	quietly mdadm "/dev/$1" --add "$(disk "$3")"
}

stays_at() {
	sleep 1
	is 'bytes rebuilt' "$(rebuilt md0)" "$1"
	nothing_lent
}

use_p2p
free=$(pools)

say 'frozen'
unsynced md0 near0 near1
stays_at 0

say 'a speed limit, and /proc/mdstat'
echo 1000 >/sys/block/md0/md/sync_speed_max
began=$(date +%s%3N)
action md0 idle
until_true has_rebuilt $((4 * M))
took=$(($(date +%s%3N) - began))
# md looks at the rate of the last seconds, and so does not limit the first few megabytes.
((took > 1000)) || fail "4 MiB took $took ms at 1 MiB/s"
grep -A 2 '^md0' /proc/mdstat | grep -E 'recovery = +[0-9.]+% \([0-9]+/16384\)' >/dev/null || fail "$(cat /proc/mdstat)"

say 'frozen in the middle'
action md0 frozen
until_true is_frozen
now=$(rebuilt md0)
((now < size)) || fail 'it was over already'
stays_at "$now"
! grep -q recovery /proc/mdstat || fail "$(cat /proc/mdstat)"

say 'sync_max'
echo system >/sys/block/md0/md/sync_speed_max
echo $((12 * K * 2)) >/sys/block/md0/md/sync_max
action md0 idle
until_true is_at 24576
now=$(rebuilt md0)
stays_at "$now"
echo max >/sys/block/md0/md/sync_max
until_true is_whole md0
members_hold md0 1 0 $size
is 'bytes rebuilt through host memory' "$(counter md0 rebuild_host_bytes)" 0
remove md0

say 'a repair between sync_min and sync_max'
create md0 1 'near0 near1' --size=$((size / K)) --assume-clean
quietly p2pio write --memory host --seed 1 --length $size /dev/md0
wipe near1 18M
echo 8192 >/sys/block/md0/md/sync_min
echo 16384 >/sys/block/md0/md/sync_max
action md0 repair
until_true is_at 16384
members_hold md0 1 $((4 * M)) $((4 * M))
is 'bytes rebuilt' $(($(rebuilt md0) + $(counter md0 rebuild_host_bytes))) 0
# Now md brings in sync what it has not repaired.
action md0 idle
echo max >/sys/block/md0/md/sync_max
until_true is_whole md0
members_hold md0 1 $((4 * M)) $((size - 4 * M))
remove md0

say 'an array that is suspended and resumed while it recovers'
unsynced md0 near0 near1
echo 4000 >/sys/block/md0/md/sync_speed_max
action md0 idle
for ((i = 0; i < 10; i++)); do
	echo $((i * 1024)) >/sys/block/md0/md/suspend_lo
	echo $((i * 1024 + 16384)) >/sys/block/md0/md/suspend_hi
	sleep 0.2
	echo 0 >/sys/block/md0/md/suspend_hi
	echo 0 >/sys/block/md0/md/suspend_lo
	quietly p2pio write --memory host --seed 1 --offset $((i * M)) --length 1M /dev/md0
done
echo system >/sys/block/md0/md/sync_speed_max
until_true is_whole md0
members_hold md0 1 0 $size
remove md0

say 'an array that is stopped while it recovers, and goes on where it was'
unsynced md0 near0 near1
echo 4000 >/sys/block/md0/md/sync_speed_max
action md0 idle
until_true has_rebuilt $((2 * M))
quietly mdadm --stop /dev/md0
nothing_lent
quietly mdadm --assemble /dev/md0 "$(disk near0)" "$(disk near1)"
until_true is_whole md0
members_hold md0 1 0 $size
remove md0

say 'two arrays at once, through the memory of one drive'
echo 1 >/sys/module/md_p2p/parameters/p2pdma_rebuild_share
for md in md0:near0:near1 md1:near2:near3; do
	IFS=: read -r md from to <<<"$md"
	unsynced "$md" "$from" "$to"
	bdf near3 >"/sys/block/$md/md/p2pdma_provider"
done
action md0 idle
action md1 idle
until_true is_whole md0
until_true is_whole md1
for md in md0 md1; do
	members_hold $md 1 0 $size
	peer=$(rebuilt $md) host=$(counter $md rebuild_host_bytes)
	say "$md: $peer bytes through peer memory, $host through host memory"
	is "$md: bytes rebuilt" $((peer + host)) $size
	((peer > 0)) || fail "$md got none of the share"
	remove $md
done
nothing_lent
