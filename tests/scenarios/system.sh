# A guest that systemd starts is a system of its own: what is changed in it lasts, and its arrays come back by themselves.
# topology: switch
# modules: stock
# system: yes
# timeout: 240
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

# make_package: a package with one file.
make_package() {
	mkdir -p /tmp/package/DEBIAN /tmp/package/etc
	cat >/tmp/package/DEBIAN/control <<-'END'
		Package: trivial
		Version: 1
		Architecture: all
		Maintainer: nobody <nobody@example.org>
		Depends: mdadm
		Description: one file
	END
	echo one >/tmp/package/etc/trivial
	quietly dpkg-deb --build /tmp/package /tmp/trivial.deb
}

is 'the first process' "$(ps --pid 1 --format comm=)" systemd
no_failed_units
case ${1-first} in
first)
	say 'a package, without a network, and an array'
	make_package
	quietly apt-get install --yes /tmp/trivial.deb
	is 'what may start services' "$(ls /usr/sbin/policy-rc.d 2>/dev/null || :)" ''
	refused 1 'no such file in /run/vm/out' vmctl reboot --initrd nosuch
	create md0 1 'near0 near1' --size=8M
	echo kept >/root/file
	echo kept >/dev/md0
	say 'a reboot, with an initramfs of its own'
	cp "/usr/lib/modules/$(uname -r)/initrd" /run/vm/out/own
	vmctl reboot --initrd own --append 'more words' second
	;;
second)
	say 'after the reboot'
	[[ $(</proc/cmdline) == *'more words'* ]] || fail "the command line is $(</proc/cmdline)"
	is 'the file' "$(</root/file)" kept
	is 'the package' "$(dpkg-query --show --showformat='${db:Status-Status}' trivial)" installed
	is 'its file' "$(</etc/trivial)" one
	is_whole md0 || fail 'the array was not clean'
	is 'the level of the array' "$(attr md0 level)" raid1
	is 'what it holds' "$(head --bytes=4 /dev/md0)" kept
	;;
esac
