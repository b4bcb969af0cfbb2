# An enrolled array comes up under md-p2p after each boot, and other arrays do not.
# Without md-p2p, or once it is released, it comes up under the kernel's md with its data.
# run: soak
# topology: switch
# modules: p2p
# system: yes
# add: packaging/system/63-md-raid-p2p.rules packaging/system/65-md-p2p.rules
# add: packaging/system/md-p2p-member@.service packaging/system/md-p2p-monitor.service
# add: packaging/system/md-p2p-last-resort@.service packaging/system/md-p2p-last-resort@.timer
# timeout: 600
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

readonly file=/mnt/data/file

install_files() {
	cp ./*.rules /usr/lib/udev/rules.d/
	cp ./*.service ./*.timer /usr/lib/systemd/system/
	ln -sf "$(command -v mdp2p)" /usr/sbin/mdp2p
}

is_ours() { [[ -e /sys/block/$1/md/p2pdma_state ]]; }
is_gone() { [[ ! -L $1 ]]; }
leads_to() { [[ $(readlink -f "$1") == "$2" ]]; }
array_of() { basename "$(readlink -f "/dev/md/$1")"; }

# uuid_of NAME: prints the UUID as mdadm writes it.
uuid_of() { mdp2p mdadm -- --detail --export "/dev/md/$1" | sed -n 's/^MD_UUID=//p'; }

# comes_up NAME ours|theirs: the array runs under md-p2p or under the kernel's md, and its data are right.
comes_up() {
	local md
	md=$(array_of "$1")
	if [[ $2 == ours ]]; then
		is_ours "$md" || fail "$1 ($md) is the kernel's md's"
		is "the array of $1" "$md" md128
	else
		! is_ours "$md" || fail "$1 ($md) is md-p2p's"
	fi
	[[ $1 != data ]] || quietly cmp /root/file "$file"
	[[ $1 != plain ]] || quietly p2pio check --memory host --seed 2 --length 1M "/dev/$md"
}

no_member_is_added() { ! systemctl list-jobs | grep md-p2p-member >/dev/null; }

# The member has gone, and md128 has forgotten it.
is_let_go() { [[ $(attr md128 degraded) == 1 && $(echo /sys/block/md128/md/dev-*) != *dev-*dev-* ]]; }

no_failed_units
case ${1-first} in
first)
	is 'the first process' "$(ps --pid 1 --format comm=)" systemd
	is 'what may start services' "$(ls /usr/sbin/policy-rc.d 2>/dev/null || :)" ''
	refused 1 'no such file in /run/vm/out' vmctl reboot --initrd nosuch
	install_files
	quietly mdadm --create /dev/md/data --run --level=1 --raid-devices=2 --assume-clean --name=data "$(disk near0)" "$(disk near1)"
	quietly mdadm --create /dev/md/plain --run --level=1 --raid-devices=2 --assume-clean --name=plain "$(disk near2)" "$(disk near3)"
	quietly udevadm settle
	quietly mkfs.ext4 -q /dev/md/data
	mkdir -p /mnt/data
	echo "UUID=$(blkid -o value -s UUID /dev/md/data) /mnt/data ext4 x-systemd.device-timeout=10min 0 2" >>/etc/fstab
	quietly mount /dev/md/data /mnt/data
	head --bytes=1M /dev/urandom >/root/file
	cp /root/file "$file"
	quietly p2pio write --memory host --seed 2 --length 1M "/dev/$(array_of plain)"
	say 'a dry run changes nothing'
	mdp2p enroll --dry-run data | grep MD_DEVNAME=data >/dev/null || fail "$(mdp2p enroll --dry-run data)"
	[[ ! -e /etc/md-p2p ]] || fail '/etc/md-p2p was written'
	is 'what is enrolled' "$(mdp2p enroll)" 'no array is enrolled'
	say enroll
	quietly mdp2p enroll data
	vmctl reboot again
	;;
again)
	say 'one array is ours, the other one is not'
	comes_up data ours
	comes_up plain theirs
	is 'its state' "$(attr md128 p2pdma_state)" direct
	mdp2p enroll | grep -E '^/dev/md/data .* md128 +md-p2p$' >/dev/null || fail "$(mdp2p enroll)"
	until_true systemctl --quiet is-active md-p2p-monitor
	is 'its link by UUID' "$(readlink -f "/dev/disk/by-id/md-uuid-$(uuid_of data)")" /dev/md128
	say 'a member goes'
	vmctl unplug near1
	until_true is_let_go
	quietly cmp /root/file "$file"
	say 'it comes back when the array is no longer enrolled'
	mkdir /root/kept
	mv /etc/md-p2p/enrolled/* /root/kept
	vmctl plug near1
	until_true no_member_is_added
	! grep "$(basename "$(disk near1)")" /proc/mdstat >&2 || fail "the kernel's md has taken the stale member"
	mv /root/kept/* /etc/md-p2p/enrolled
	no_failed_units
	quietly umount /mnt/data
	quietly mdp2p mdadm -- --zero-superblock "$(disk near1)"
	quietly mdp2p mdadm -- /dev/md128 --add "$(disk near1)"
	until_true is_whole md128
	say 'a member is missed at boot'
	quietly mdp2p stop md128
	quietly mdadm --zero-superblock "$(disk near1)"
	vmctl reboot degraded
	;;
degraded)
	comes_up data ours
	comes_up plain theirs
	is degraded "$(attr md128 degraded)" 1
	quietly mdp2p mdadm -- /dev/md128 --add "$(disk near1)"
	until_true is_whole md128
	vmctl reboot --append nomdp2p out
	;;
out)
	say 'nomdp2p'
	comes_up data theirs
	comes_up plain theirs
	vmctl reboot --append quiet --modules stock without
	;;
without)
	say 'without our modules'
	! modinfo md-p2p 2>/dev/null || fail 'our modules are there'
	comes_up data theirs
	comes_up plain theirs
	is 'its number' "$(array_of data)" md128
	quietly mdp2p release data
	is 'what is enrolled' "$(mdp2p enroll)" 'no array is enrolled'
	vmctl reboot --modules p2p released
	;;
released)
	say released
	comes_up data theirs
	comes_up plain theirs
	! grep '^md_p2p ' /proc/modules || fail 'md-p2p was loaded'
	say 'an array on an array'
	quietly umount /mnt/data
	sed -i '\|/mnt/data|d' /etc/fstab
	for name in data plain; do remove "$(array_of "$name")"; done
	quietly mdadm --create /dev/md/inner --run --level=1 --raid-devices=2 --assume-clean --name=inner "$(disk near0)" "$(disk near1)"
	quietly mdadm --create /dev/md0 --run --level=1 --raid-devices=2 --assume-clean --size=32M /dev/md/inner "$(disk near2)"
	quietly p2pio write --memory host --seed 3 --length 1M /dev/md0
	quietly mdp2p enroll md0
	vmctl reboot nested
	;;
nested)
	until_true is_ours md0
	is_whole md0 || fail "$(cat /proc/mdstat*)"
	quietly p2pio check --memory host --seed 3 --length 1M /dev/md0
	! is_ours "$(array_of inner)" || fail 'the inner one is not enrolled'
	say 'names of arrays that are not enrolled'
	is 'who has md127' "$(array_of inner)" md127
	quietly mdp2p create named --level 1 --yes --bitmap none "$(disk near3)" missing -- --size=8M
	is 'its node' "$(readlink -f /dev/md/named)" /dev/md511
	is 'its link by UUID' "$(readlink -f "/dev/disk/by-id/md-uuid-$(uuid_of named)")" /dev/md511
	# A partition of 1 MiB.
	{ head --bytes=446 /dev/zero && printf '\0\0\0\0\x83\0\0\0\0\x08\0\0\0\x08\0\0' && head --bytes=48 /dev/zero && printf '\x55\xaa'; } >/dev/md511
	quietly blockdev --rereadpt /dev/md511
	until_true leads_to /dev/md/named1 /dev/md511p1
	quietly mdp2p stop named
	until_true is_gone /dev/md/named
	quietly mdp2p mdadm -- --assemble --run /dev/md/other "$(disk near3)"
	is 'its node' "$(readlink -f /dev/md/other)" /dev/md511
	! is_ours md127 || fail "$(cat /proc/mdstat*)"
	;;
*) fail "there is no stage $1" ;;
esac
