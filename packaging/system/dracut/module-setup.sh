#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# For dracut: the initramfs assembles arrays, so it must know which are enrolled, and have what they need.

# shellcheck disable=SC2034,SC2154 # dracut's variables
check() {
	compgen -G '/etc/md-p2p/enrolled/*-*' >/dev/null
}

depends() {
	echo mdraid
}

installkernel() {
	local module
	# Modules that are not loaded now are installed too, because they may be needed then.
	local hostonly=''
	instmods md-mod raid0 raid1 raid10 raid456
	for module in md-p2p linear-p2p raid0-p2p raid1-p2p raid10-p2p raid456-p2p; do
		# If md-p2p was not built for this kernel, the arrays are the kernel's md's.
		! modinfo -k "$kernel" "$module" >/dev/null 2>&1 || instmods "$module"
	done
}

install() {
	inst_multiple mdp2p mdadm systemd-run
	inst_rules 63-md-raid-p2p.rules 65-md-p2p.rules
	inst_multiple /etc/md-p2p/enrolled/*-* \
		/usr/lib/systemd/system/md-p2p-{member,last-resort}@.service \
		/usr/lib/systemd/system/md-p2p-last-resort@.timer
}
