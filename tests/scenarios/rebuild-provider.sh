# A rebuild borrows from the provider in p2pdma_provider, or from the nearest to the members that are written.
# It borrows no more than its share, and uses host memory for the rest.
# run: soak
# topology: big
# modules: p2p
# timeout: 300
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

readonly size=$((16 * M)) loan=$((68 * K))
share=/sys/module/md_p2p/parameters/p2pdma_rebuild_share

# available NAME: prints the free bytes of this drive's memory.
available() { cat "/sys/bus/pci/devices/$(bdf "$1")/p2pmem/available"; }

# watch NAME...: notes the least free bytes of each drive in /tmp/least.NAME, until the rebuild is over.
watch() {
	local name now least
	declare -A least
	for name; do least[$name]=${had[$name]}; done
	while [[ ! -e /tmp/enough ]]; do
		for name; do
			read -r now <"/sys/bus/pci/devices/${pci[$name]}/p2pmem/available"
			((now >= ${least[$name]})) || least[$name]=$now
		done
	done
	for name; do echo "${least[$name]}" >"/tmp/least.$name"; done
}
declare -A pci had
for name in left{0..3} right{0..3}; do
	pci[$name]=$(bdf "$name")
	had[$name]=$(available "$name")
done

# taken NAME: prints the most bytes that were taken of this drive's memory.
taken() { echo $((${had[$1]} - $(</tmp/least."$1"))); }

# rebuild FROM TO...: recovers TO from FROM. Sets in_use to what p2pdma_provider says in the middle.
rebuild() {
	local watcher name
	rm -f /tmp/enough
	watch left{0..3} right{0..3} &
	watcher=$!
	for name in "${@:2}"; do
		quietly mdadm /dev/md0 --fail "$(disk "$name")"
		quietly mdadm /dev/md0 --remove "$(disk "$name")"
		wipe "$name" 20M
	done
	# The recovery waits until all are there.
	echo frozen >/sys/block/md0/md/sync_action
	echo $((size / 1024)) >/sys/block/md0/md/sync_max
	for name in "${@:2}"; do quietly mdadm /dev/md0 --add "$(disk "$name")"; done
	echo idle >/sys/block/md0/md/sync_action
	until_true is_half_done
	in_use=$(counter md0 provider)
	is 'free peer memory in the pause' "$(pools)" "$free"
	echo max >/sys/block/md0/md/sync_max
	until_true is_whole md0
	touch /tmp/enough
	wait $watcher
	is 'free peer memory' "$(pools)" "$free"
	members_hold md0 1 0 $size
}
is_half_done() { [[ $(attr md0 sync_completed) == "$((size / 1024)) / "* ]]; }

prepare() {
	create md0 1 "$*" --size=$((size / K)) --assume-clean
	quietly p2pio write --memory host --seed 1 --length $size /dev/md0
}

# counts PEER HOST: so many bytes were rebuilt since the last call.
counts() {
	local peer host
	peer=$(counter md0 rebuild_peer_bytes) host=$(counter md0 rebuild_host_bytes)
	is 'bytes rebuilt through peer memory' $((peer - last_peer)) "$1"
	is 'bytes rebuilt through host memory' $((host - last_host)) "$2"
	last_peer=$peer last_host=$host
}

# only NAME: only this drive lent memory, and no more than a quarter.
only() {
	local name
	for name in left{0..3} right{0..3}; do
		if [[ $name == "$1" ]]; then
			is_about "what was taken of $name" "$(taken "$name")" $loan $((4 * M))
		else
			is "what was taken of $name" "$(taken "$name")" 0
		fi
	done
}

use_p2p
free=$(pools)
last_peer=0 last_host=0
prepare left0 left1

say 'the provider nearest to the target'
rebuild left0 left1
is provider "$in_use" "${pci[left1]} (auto)"
is 'provider afterwards' "$(counter md0 provider)" 'none (auto)'
counts $size 0
only left1
rebuild left1 left0
is provider "$in_use" "${pci[left0]} (auto)"
counts $size 0
only left0

say 'a provider that is pinned'
echo "${pci[left3]}" >/sys/block/md0/md/p2pdma_provider
is 'provider without a rebuild' "$(counter md0 provider)" "none (${pci[left3]})"
rebuild left0 left1
is provider "$in_use" "${pci[left3]}"
counts $size 0
only left3

say 'a provider that is pinned and not reached'
echo "${pci[right3]}" >/sys/block/md0/md/p2pdma_provider
rebuild left0 left1
is provider "$in_use" "none (${pci[right3]})"
counts 0 $size
only nobody

say 'no provider'
echo none >/sys/block/md0/md/p2pdma_provider
rebuild left0 left1
is provider "$in_use" none
counts 0 $size
only nobody

say 'a provider that is none'
store() { printf '%s' "$1" >/sys/block/md0/md/p2pdma_provider; }
for wrong in '' all '0000:00:00' '0000:00:20.0' 'auto none' "${pci[left0]}x"; do
	[[ ! $wrong ]] || refused 1 'Invalid argument' store "$wrong"
done
refused 1 'No such device' store 0000:00:00.0
refused 1 'No such device' store abcd:00:00.0
is provider "$(counter md0 provider)" none
for wrong in 101 -1 x; do refused 1 'Invalid argument' eval "echo $wrong >$share"; done
is 'the share' "$(cat $share)" 25

say 'a share of two loans'
echo "auto" >/sys/block/md0/md/p2pdma_provider
echo 1 >$share
rebuild left0 left1
is_about 'what was taken of left1' "$(taken left1)" $loan $((2 * loan))
peer=$(($(counter md0 rebuild_peer_bytes) - last_peer))
is_about 'bytes rebuilt through peer memory' $peer 1 $((size - 1))
counts $peer $((size - peer))

say 'no share'
echo 0 >$share
rebuild left0 left1
counts 0 $size
only nobody
echo 25 >$share

say 'an application has nearly all of the memory'
python3 - "${pci[left1]}" <<'PY' &
import mmap, os, sys, time
p2pmem = f"/sys/bus/pci/devices/{sys.argv[1]}/p2pmem/"
fd = os.open(p2pmem + "allocate", os.O_RDWR)
held = []
while int(open(p2pmem + "available").read()) > 192 << 10:
    held.append(mmap.mmap(fd, 64 << 10))
open("/tmp/held", "w")
while not os.path.exists("/tmp/let-go"):
    time.sleep(0.1)
PY
holder=$!
until_true test -e /tmp/held
all=$free free=$(pools)
rebuild left0 left1
is_about 'what is left of left1' "$(</tmp/least.left1)" 0 $((192 * K - loan))
peer=$(($(counter md0 rebuild_peer_bytes) - last_peer))
is_about 'bytes rebuilt through peer memory' $peer 1 $((size - 1))
counts $peer $((size - peer))
touch /tmp/let-go
wait $holder
free=$all
remove md0

say 'no provider reaches both members'
prepare left0 right0
last_peer=0 last_host=0
rebuild left0 right0
is provider "$in_use" 'none (auto)'
counts 0 $size
only nobody
remove md0

say 'two targets: the one that has memory of its own, and is nearer to the other'
prepare left0 left1 left2
last_peer=0 last_host=0
read_before=$(sectors_read left0)
rebuild left0 left1 left2
is provider "$in_use" "${pci[left1]} (auto)"
counts $((2 * size)) 0
only left1
# left0 is read once for both members, not twice; and members_hold reads it.
is_about 'sectors read of left0' $(($(sectors_read left0) - read_before)) $((2 * size / 512)) $((3 * size / 512 - 1))
remove md0

say 'a resync does not use the source'
for name in left0 left2; do
	quietly mdadm --create /dev/md0 --run --readonly --metadata=1.2 --level=1 --raid-devices=2 --size=$((size / K)) \
		"$(disk left0)" "$(disk left1)"
	echo "${pci[$name]}" >/sys/block/md0/md/p2pdma_provider
	quietly mdadm --readwrite /dev/md0
	until_true is_whole md0
	last_peer=0 last_host=0
	if [[ $name == left0 ]]; then counts 0 $size; else counts $size 0; fi
	remove md0
done
is 'free peer memory' "$(pools)" "$free"
