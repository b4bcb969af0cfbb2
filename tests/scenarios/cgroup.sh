# Staged I/O is charged to its cgroup once in the array's queue and once in the members' queues, like I/O
# from host memory.
# run: soak
# topology: split
# modules: p2p
# timeout: 120
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

readonly cgroups=/sys/fs/cgroup

# charged GROUP DEVICE: prints the bytes and I/Os that the group wrote to the device.
charged() { awk -v device="$(<"/sys/class/block/$(basename "$2")/dev")" '$1 == device { print $3, $5 }' "$cgroups/$1/io.stat"; }

# within GROUP COMMAND...: runs the command in the group.
within() { (echo "$BASHPID" >"$cgroups/$1/cgroup.procs" && "${@:2}"); }

# seconds GROUP MEMORY: prints how long 60 I/Os take, at 20 per second.
seconds() {
	local began=$SECONDS
	echo "$(<"/sys/block/md0/dev") wiops=20" >"$cgroups/$1/io.max"
	within "$1" quietly p2pio write --memory "$2" --seed 1 --length 3840K --block-size 64K /dev/md0
	echo $((SECONDS - began))
}

mountpoint -q "$cgroups" || mount -t cgroup2 none "$cgroups"
echo +io >"$cgroups/cgroup.subtree_control"

use_p2p
for level in 0 1 10; do
	say "level $level"
	shape_of "$level"
	create md0 "$level" 'near0 near1 far0 near2' "${shape[@]}"
	for memory in host "$(bdf near2)"; do
		group=${memory//[:.]/_}
		mkdir "$cgroups/$group"
		within "$group" quietly p2pio write --memory "$memory" --seed 1 --length 2M --block-size 128K /dev/md0
	done
	for device in /dev/md0 "$(disk near0)" "$(disk far0)"; do
		is "$device in a cgroup" "$(charged "$group" "$device")" "$(charged host "$device")"
	done
	[[ $(charged host /dev/md0) ]] || fail 'nothing was charged'
	(($(counter md0 write_staged_bytes) > 0)) || fail 'nothing was staged'

	if [[ $level == 1 ]]; then
		is_about 'seconds with a limit of I/Os' "$(seconds "$group" "$(bdf near2)")" 0 $(($(seconds host host) + 2))
	fi
	rmdir "$cgroups/host" "$cgroups/$group"
	remove md0
done
