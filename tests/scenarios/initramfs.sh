# The root filesystem may be on an enrolled array.
# The initramfs, made by initramfs-tools or dracut, brings it up under md-p2p.
# run: soak
# topology: switch
# modules: p2p
# system: yes
# prepare: initramfs-prepare
# add: root-init
# timeout: 600
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

# The array for which initramfs-prepare has made them.
uuid=6d642d70:32702069:6e697472:616d6673
enrolled=/etc/md-p2p/enrolled/6d642d70-3270-2069-6e69-7472616d6673

# make_root: makes the smallest root there is. It tells what it is on, and then mounts the root of a guest.
make_root() {
	quietly mkfs.ext4 -q /dev/md/root
	quietly mount /dev/md/root /mnt
	(cd /mnt && quietly cpio --extract --make-directories <"/usr/lib/modules/$(uname -r)/initrd")
	mkdir -p /mnt/sbin /mnt/sys /mnt/run /mnt/etc
	# systemd in an initramfs knows a root by this file.
	cp /etc/os-release /mnt/etc
	install root-init /mnt/sbin/init
	root=$(blkid -o value -s UUID /dev/md/root)
	quietly umount /mnt
}

# root_was WORDS: root-init has said this.
root_was() { is 'the root' "$(dmesg | sed -n 's/.* root-init: //p')" "$1"; }

no_failed_units
case ${1-first} in
first)
	mv $enrolled /run/enrolled
	quietly mdadm --create /dev/md/root --run --level=1 --raid-devices=2 --assume-clean --name=root --uuid=$uuid \
		"$(disk near0)" "$(disk near1)"
	quietly udevadm settle
	make_root
	quietly mdp2p enroll root
	quietly diff /run/enrolled $enrolled
	cp /srv/tools /srv/dracut /run/vm/out/
	say 'an initramfs by initramfs-tools'
	vmctl reboot --initrd tools --append "root=UUID=$root ro" tools
	;;
tools)
	root_was '/dev/md128 is ours'
	is 'whose it is' "$(mdp2p enroll | awk '/root/ { print $3, $4 }')" 'md128 md-p2p'
	is_whole md128 || fail 'the root is not whole'
	say 'an initramfs by dracut'
	vmctl reboot --initrd dracut dracut
	;;
dracut)
	root_was '/dev/md128 is ours'
	is_whole md128 || fail 'the root is not whole'
	;;
*) fail "there is no stage $1" ;;
esac
