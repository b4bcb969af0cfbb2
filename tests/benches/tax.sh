# Compares what I/O from host memory costs with md-p2p and with the kernel's own md: the guest's instructions for 4 KiB,
# with members that never wait. Both are loaded, and take turns.
#
# SPDX-License-Identifier: GPL-2.0
# shellcheck source-path=SCRIPTDIR/../scenarios
. ./lib.bash

readonly limit=1.003 rounds=3

# make LEVEL MEMBERS: makes /dev/md0 of the kernel's md, and /dev/md127 of md-p2p. No first write is measured.
make() {
	local options=(--create --run --level="$1" --raid-devices="$2" --assume-clean --bitmap=none --chunk=64)
	[[ $1 != 1 ]] || unset 'options[-1]'
	quietly mdadm /dev/md0 "${options[@]}" /dev/ram[0-$(($2 - 1))]
	quietly mdp2p mdadm -- /dev/md127 "${options[@]}" /dev/ram[4-$(($2 + 3))]
	for md in md0 md127; do quietly dd if=/dev/zero of=/dev/$md bs=1M count=8 oflag=direct; done
}
unmake() {
	quietly mdadm --stop /dev/md0
	quietly mdp2p mdadm -- --stop /dev/md127
	quietly mdadm --zero-superblock /dev/ram[0-7]
}

# instructions MD DIRECTION: prints the median of 2,000 I/Os. A nanosecond is an instruction. In the mean there would also
# be what the machine does now and then: timers, and slabs that must be refilled.
instructions() {
	quietly fio --name=tax --filename="/dev/$1" --rw="rand$2" --bs=4k --size=8M --number_ios=2000 --ioengine=psync \
		--direct=1 --write_lat_log=/tmp/tax
	cut -d , -f 2 /tmp/tax_lat.1.log | sort -n | sed -n 1000p
}

# least MD DIRECTION: sets least[MD] to what the I/O costs if nothing else happens.
least() {
	local now
	now=$(instructions "$1" "$2")
	((now < ${least[$1]-now + 1})) && least[$1]=$now
	true
}

without_udev
modprobe brd rd_nr=8 rd_size=$((16 * K))
modprobe -a md-mod raid0 raid1 raid10 raid456
insmod md-linear.ko
modprobe -a md-p2p linear-p2p raid0-p2p raid1-p2p raid10-p2p raid456-p2p

declare -A least
paid=0
for shape in 'linear 2' '0 2' '1 2' '10 4' '5 3' '6 4'; do
	read -r level count <<<"$shape"
	make "$level" "$count"
	for direction in read write; do
		least=()
		for ((round = 0; round < rounds; round++)); do
			for md in md0 md127; do least $md $direction; done
		done
		awk -v what="raid$level $direction" -v md="${least[md0]}" -v ours="${least[md127]}" -v limit=$limit 'BEGIN {
			sub("raidlinear", "linear", what)
			printf "tax: %-12s  md %5d, md-p2p %5d instructions: %.4f, limit %s\n", what, md, ours, ours / md, limit
			printf "figure: instructions of a %s of 4 KiB, host memory | %.4f | the kernel'"'"'s md | %s\n", what, ours / md, limit
			exit ours > limit * md
		}' || paid=1
	done
	unmake
done
exit $paid
