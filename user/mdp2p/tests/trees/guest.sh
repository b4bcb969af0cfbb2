# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What capture.sh runs in a guest: makes an array of LEVEL of the drives NAME..., and prints the
# tree.
# shellcheck source=tests/scenarios/lib.bash
. ./lib.bash
level=$1
shift

# Which drive is nvme0 is chance at boot: they are bound anew, by their addresses.
addresses=()
for device in /sys/bus/pci/drivers/nvme/*:*; do addresses+=("$(basename "$device")"); done
for action in unbind bind; do
	for address in "${addresses[@]}"; do
		echo "$address" >/sys/bus/pci/drivers/nvme/$action
	done
done
vmctl await

use_p2p
shape_of "$level"
create md0 "$level" "$*" "${shape[@]}"
quietly p2pio write --memory "$(bdf "$1")" --seed 1 --length 1M /dev/md0
mkdir -p /dev/md
ln -sf ../md0 /dev/md/data
python3 capture.py
