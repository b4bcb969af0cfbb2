# Members that left the bus with their bridge do not spoil the answers about members that come after them.
# run: test
# topology: switch
# modules: p2p
# timeout: 180
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

is_back() { [[ -b $(disk near0) && -b $(disk near1) && -b $(disk near2) && -b $(disk near3) ]]; }

# replug_switch: the root port above the switch goes and comes back, and all drives with it.
replug_switch() {
	local port
	port=$(readlink -f "/sys/bus/pci/devices/$(bdf near0)")
	port=${port#/sys/devices/pci0000:00/}
	echo 1 >"/sys/bus/pci/devices/${port%%/*}/remove"
	echo 1 >/sys/bus/pci/rescan
	until_true eval 'vmctl drives >/run/vm/drives && is_back'
}

# have_distances_asked: binds a driver, and so lets md-p2p ask for distances again.
have_distances_asked() {
	local node
	node=$(bdf near3)
	echo "$node" >/sys/bus/pci/drivers/nvme/unbind
	echo "$node" >/sys/bus/pci/drivers/nvme/bind
	sleep 0.5
}

use_p2p
# Distances are asked for md0 first, and for the dead array after it.
echo md0 >/sys/module/md_p2p/parameters/new_array
create md6 1 'near0 near1' --size=8M
# The dead array stays while it is open.
exec {held}<>/dev/md6
replug_switch
quietly mdadm --zero-superblock "$(disk near0)" "$(disk near1)"
create md0 1 'near0 near1' --size=8M
have_distances_asked
is state "$(counter md0 state)" direct
quietly p2pio write --memory "$(bdf near2)" --seed 1 --length 2M /dev/md0
members_hold md0 1 0 $((2 * M))
is 'bytes written direct' "$(counter md0 write_direct_bytes)" $((2 * M))
is degraded "$(attr md0 degraded)" 0
parity_is_right md0
exec {held}>&-
