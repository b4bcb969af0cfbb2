# Compares a read of 1 MiB into peer memory from a healthy raid5 of md-p2p with one from a raid0 of the kernel's md: the
# instructions that the guest's processor executes for it, interrupts and workers included.
#
# SPDX-License-Identifier: GPL-2.0
# shellcheck source-path=SCRIPTDIR/../scenarios
. ./lib.bash

readonly limit=1.05 rounds=5 count=64

# read_peer DEVICE COUNT: reads so many MiB into the memory of near0, and prints the nanoseconds that the processor did
# anything but spin. Each is an instruction. Because something always spins, no time passes without instructions.
read_peer() {
	python3 -IS -c '
import mmap, os, sys, time

def busy():
    with open("/proc/%s/schedstat" % sys.argv[3]) as spun:
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW) - int(spun.read().split()[0])

pool = os.open(sys.argv[1], os.O_RDWR)
memory = mmap.mmap(pool, 1 << 20)
array = os.open(sys.argv[2], os.O_RDONLY | os.O_DIRECT)
before = busy()
for place in range(int(sys.argv[4])):
    if os.preadv(array, [memory], (place % 16) << 20) != 1 << 20:
        sys.exit("a short read")
print(busy() - before)' "/sys/bus/pci/devices/$(bdf near0)/p2pmem/allocate" "$1" $spinner "$2"
}

# instructions DEVICE: prints what a read costs, of many. Some of it is Python's, with either md.
instructions() { echo $(($(read_peer "$1" $count) / count)); }

# least DEVICE: prints the least of some rounds.
least() {
	local round
	for ((round = 0; round < rounds; round++)); do instructions "$1"; done | sort -n | head -n 1
}

without_udev
chrt --idle 0 bash -c 'while :; do :; done' &
spinner=$!
trap 'kill $spinner' EXIT
modprobe -a md-mod raid0
modprobe -a md-p2p raid456-p2p
members=("$(disk near0)" "$(disk near1)" "$(disk near2)")
quietly mdadm --create /dev/md0 --run --level=0 --raid-devices=2 --chunk=1024 "${members[@]:0:2}"
md=$(least /dev/md0)
quietly mdadm --stop /dev/md0
quietly mdadm --zero-superblock "${members[@]:0:2}"

quietly mdp2p mdadm -- --create /dev/md127 --run --level=5 --raid-devices=3 --chunk=1024 --assume-clean --bitmap=none "${members[@]}"
before=$(counter md127 read_direct_bytes)
ours=$(least /dev/md127)
is 'bytes that were direct' $(($(counter md127 read_direct_bytes) - before)) $((rounds * count * M))
awk -v md="$md" -v ours="$ours" -v limit=$limit 'BEGIN {
	printf "bench: 1 MiB into peer memory: raid0 of md %d, raid5 of md-p2p %d instructions\n", md, ours
	printf "figure: instructions of a read of 1 MiB into peer memory, raid5 | %.3f | raid0 of the kernel'"'"'s md | %s\n", ours / md, limit
	exit ours > limit * md
}'
