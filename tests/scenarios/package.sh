# With the package, an enrolled array comes up with DKMS's modules, on the next kernel too.
# If a kernel distrusts them, or the package is gone, it comes up under the kernel's md.
# run: soak
# topology: switch
# modules: stock
# system: yes
# prepare: packaging/tests/prepare
# timeout: 400
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

version=$(dpkg-query --show --showformat='${Version}' md-p2p 2>/dev/null || :)
# The package's program, not the one that the run brings along.
mdp2p() { /usr/sbin/mdp2p "$@"; }

# other_kernel: prints a kernel that boots, and is not this one.
other_kernel() {
	local folder
	for folder in /lib/modules/*; do
		folder=${folder##*/}
		[[ $folder == "$(uname -r)" || $folder == *-debug || ! -e /lib/modules/$folder/updates/dkms ]] || echo "$folder"
	done | head -1
}

# is_right: the array is md-p2p's, from DKMS's modules, and its data are right.
is_right() {
	is 'whose the module is' "$(modinfo -F filename md-p2p)" "/lib/modules/$(uname -r)/updates/dkms/md-p2p.ko.xz"
	is 'the state' "$(attr "$1" p2pdma_state)" direct
	quietly p2pio check --memory host --seed 1 --length 1M "/dev/$1"
	quietly p2pio write --memory "$(bdf near0)" --seed 1 --length 1M "/dev/$1"
}

no_failed_units
case ${1-first} in
first)
	say 'the package is installed'
	[[ $version ]] || fail 'the package is not installed'
	dkms status -m md-p2p | grep -F "$(uname -r), x86_64: installed" >/dev/null || fail "$(dkms status)"
	mdp2p module status | grep 'installed by DKMS' >/dev/null || fail "$(mdp2p module status)"
	quietly modprobe md-p2p
	is 'the version' "$(modinfo -F vermagic md-p2p | cut -d ' ' -f 1)" "$(uname -r)"
	say create
	quietly mdp2p create /dev/md/data --level 1 --yes "$(disk near0)" "$(disk near1)" -- --size=8M
	md=$(basename "$(readlink -f /dev/md/data)")
	until_true is_whole "$md"
	quietly p2pio write --memory host --seed 1 --length 1M "/dev/$md"
	is_right "$md"
	quietly mdp2p enroll data
	# The same happens with Secure Boot as long as the firmware does not know DKMS's key.
	vmctl reboot --append module.sig_enforce=1 distrusted
	;;
distrusted)
	say 'a kernel that does not trust the modules'
	refused 1 'Key was rejected' mdp2p module load
	is 'its node' "$(readlink -f /dev/md/data)" /dev/md128
	[[ ! -e /sys/block/md128/md/p2pdma_state ]] || fail 'it is not the kernel'"'"'s md'"'"'s'
	quietly p2pio check --memory host --seed 1 --length 1M /dev/md128
	journalctl --unit 'md-p2p-member@*' | grep "comes up under the kernel's md: md-p2p cannot be loaded" >/dev/null ||
		fail "$(journalctl --unit 'md-p2p-member@*')"
	next=$(other_kernel)
	[[ $next ]] || skip 'there is one kernel only'
	vmctl reboot --kernel "$next" "$next"
	;;
purged)
	say "without the package the array is under the kernel's md"
	md=$(basename "$(readlink -f /dev/md/data)")
	[[ -e /sys/block/$md/md && ! -e /sys/block/$md/md/p2pdma_state ]] || fail "$(ls -l /dev/md; cat /proc/mdstat)"
	quietly p2pio check --memory host --seed 1 --length 1M "/dev/$md"
	! modinfo md-p2p 2>/dev/null || fail 'its modules are still there'
	;;
*)
	say 'the next kernel'
	is 'the kernel' "$(uname -r)" "$1"
	is_right md128
	is 'its node' "$(readlink -f /dev/md/data)" /dev/md128
	say purge
	quietly apt-get purge --yes md-p2p
	for left in /etc/md-p2p /var/cache/md-p2p /usr/sbin/mdp2p /usr/lib/udev/rules.d/63-md-raid-p2p.rules; do
		[[ ! -e $left ]] || fail "$left is still there"
	done
	is 'our array' "$(attr md128 array_state | tr -d '\n' | sed 's/active/clean/')" clean
	vmctl reboot purged
	;;
esac
