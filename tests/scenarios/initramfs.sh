# The root filesystem may be on an array that is enrolled: the initramfs, of either maker, brings it up under md-p2p.
# topology: switch
# modules: p2p
# system: yes
# add: ../../packaging/system/63-md-raid-p2p.rules ../../packaging/system/65-md-p2p.rules
# add: ../../packaging/system/md-p2p-member@.service ../../packaging/system/md-p2p-monitor.service
# add: ../../packaging/system/md-p2p-last-resort@.service ../../packaging/system/md-p2p-last-resort@.timer
# add: ../../packaging/system/initramfs-hook ../../packaging/system/initramfs-local-block
# add: ../../packaging/system/dracut/module-setup.sh root-init
# timeout: 600
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

install_files() {
	cp ./*.rules /usr/lib/udev/rules.d/
	cp ./*.service ./*.timer /usr/lib/systemd/system/
	# As it is in the package: what it has for debugging is most of it.
	strip -o /usr/sbin/mdp2p "$(command -v mdp2p)"
	install -D initramfs-hook /usr/share/initramfs-tools/hooks/md-p2p
	install -D initramfs-local-block /usr/share/initramfs-tools/scripts/local-block/md-p2p
	install -D module-setup.sh /usr/lib/dracut/modules.d/90md-p2p/module-setup.sh
}

# make_root: the smallest root there is: what mounts the root of a guest, which tells first on what it is.
make_root() {
	quietly mkfs.ext4 -q /dev/md/root
	quietly mount /dev/md/root /mnt
	(cd /mnt && quietly cpio --extract --make-directories <"/usr/lib/modules/$(uname -r)/initrd")
	mkdir -p /mnt/sbin /mnt/sys /mnt/run /mnt/etc
	# By which systemd in an initramfs knows a root.
	cp /etc/os-release /mnt/etc
	install root-init /mnt/sbin/init
	root=$(blkid -o value -s UUID /dev/md/root)
	quietly umount /mnt
}

# root_was WORDS: what root-init told.
root_was() { is 'the root' "$(dmesg | sed -n 's/.* root-init: //p')" "$1"; }

no_failed_units
case ${1-first} in
first)
	install_files
	quietly mdadm --create /dev/md/root --run --level=1 --raid-devices=2 --assume-clean --name=root "$(disk near0)" "$(disk near1)"
	quietly udevadm settle
	make_root
	say 'an initramfs, by initramfs-tools'
	# All modules would take minutes.
	printf 'MODULES=list\nCOMPRESS=gzip\nCOMPRESSLEVEL=1\n' >/etc/initramfs-tools/conf.d/test
	printf '%s\n' nvme ext4 >>/etc/initramfs-tools/modules
	quietly mdp2p enroll root
	quietly mkinitramfs -o /run/vm/out/tools "$(uname -r)"
	say boot
	vmctl reboot --initrd tools --append "root=UUID=$root ro" tools
	;;
tools)
	root_was '/dev/md128 is ours'
	is 'whose it is' "$(mdp2p enroll | awk '/root/ { print $3, $4 }')" 'md128 md-p2p'
	is_whole md128 || fail 'the root is not whole'
	say 'an initramfs, by dracut'
	quietly dracut --force --hostonly --add-drivers 'nvme ext4' /run/vm/out/dracut "$(uname -r)"
	say boot
	vmctl reboot --initrd dracut dracut
	;;
dracut)
	root_was '/dev/md128 is ours'
	is_whole md128 || fail 'the root is not whole'
	;;
esac
