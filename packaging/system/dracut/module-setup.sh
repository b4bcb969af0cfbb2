#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# dracut: the initramfs assembles arrays, so it has to know which are enrolled, and to have what
# they need.

# shellcheck disable=SC2034,SC2154 # dracut's variables
check() {
	compgen -G '/etc/md-p2p/enrolled/*-*' >/dev/null
}

depends() {
	echo mdraid
}

installkernel() {
	local module
	# Those that are not loaded too: they may be the ones that are missed then.
	local hostonly=''
	instmods md-mod raid0 raid1 raid10 raid456
	for module in md-p2p linear-p2p raid0-p2p raid1-p2p raid10-p2p raid456-p2p; do
		# A kernel that it was not built for: then the arrays are the kernel's md's.
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
