# md-p2p and the kernel's own md work beside each other.
# md-p2p's arrays have other names, and neither md disturbs the other.
# run: soak
# topology: switch
# modules: p2p
# timeout: 120
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

# Runs unmodified mdadm, which finds md-p2p's files where it looks for md's.
mdadm_p2p() { mdp2p mdadm -- "$@"; }

without_udev
modprobe -a md-mod raid1 raid456
modprobe -a md-p2p raid1-p2p raid456-p2p
dmesg | grep "md-p2p: beside the kernel's md" >/dev/null || fail 'md-p2p has not noticed the other md'
[[ -d /proc/sys/dev/raid && -d /proc/sys/dev/raid-p2p ]] || fail 'two folders of settings were expected'

quietly mdadm --create /dev/md0 --run --level=5 --raid-devices=2 --size=8M "$(disk near0)" "$(disk near1)"
mounts=$(</proc/self/mounts)
quietly mdadm_p2p --create /dev/md127 --run --level=5 --raid-devices=2 --size=8M "$(disk near2)" "$(disk near3)"
until_true is_whole md0
until_true is_whole md127
is 'major of md0' "$(cut -d : -f 1 /sys/block/md0/dev)" 9
[[ $(</sys/block/md127/dev) != 9:* ]] || fail 'both have major 9'
is '/proc/mdstat' "$(grep -c '^md0 ' /proc/mdstat):$(grep -c '^md127 ' /proc/mdstat || true)" 1:0
is '/proc/mdstat-p2p' "$(grep -c '^md0 ' /proc/mdstat-p2p || true):$(grep -c '^md127 ' /proc/mdstat-p2p)" 0:1
[[ ! -e /sys/block/md0/md/p2pdma_state && ! -e /sys/block/md0/device ]] || fail 'the md of the kernel has files of ours'

quietly p2pio write --memory host --seed 1 --length 1M /dev/md0
quietly p2pio write --memory "$(bdf near0)" --seed 2 --length 1M /dev/md127
members_hold md0 1 0 $M
members_hold md127 2 0 $M
refused 3 'EREMOTEIO (121)' p2pio write --memory "$(bdf near0)" --length 1M /dev/md0

quietly mdadm_p2p --detail /dev/md127
mdp2p list | grep '^md0 .* md$' >/dev/null || fail "$(mdp2p list)"
refused 1 'the kernel' mdp2p stop md0
quietly mdp2p stop md127

say 'numbers and names'
refused 1 'File exists' bash -c 'echo md0 >/sys/module/md_p2p/parameters/new_array'
quietly mdadm_p2p --zero-superblock "$(disk near2)" "$(disk near3)"
sum=$(sha256sum "$(disk near2)" "$(disk near3)")
refused 1 '/dev/md0 is already in use' mdadm_p2p --create /dev/md0 --run --level=1 --raid-devices=2 --size=8M "$(disk near2)" "$(disk near3)"
is 'the drives' "$(sha256sum "$(disk near2)" "$(disk near3)")" "$sum"
quietly mdp2p create data --level 1 --yes --bitmap none "$(disk near2)" missing -- --size=8M --assume-clean --name=0
quietly mdadm --create /dev/md/other --run --level=1 --raid-devices=2 --size=8M --assume-clean "$(disk near3)" missing
is 'their numbers' "$(basename -a "$(readlink -f /dev/md/data)" "$(readlink -f /dev/md/other)" | xargs)" 'md511 md127'
quietly p2pio write --memory "$(bdf near0)" --seed 3 --length 1M /dev/md511
quietly mdp2p stop data
say 'the name in the superblock is that of an array of the other md'
for mode in --assemble -qA; do
	refused 1 "/dev/md0 is already in use" mdadm_p2p $mode --run /dev/md0 "$(disk near2)"
done
quietly mdp2p assemble data "$(disk near2)" -- --run
quietly p2pio check --memory host --seed 3 --length 1M "$(readlink -f /dev/md/data)"
is 'the arrays' "$(grep -c '^md' /proc/mdstat):$(grep -c '^md' /proc/mdstat-p2p)" 2:1
quietly mdp2p stop data
quietly mdadm --stop /dev/md127
say 'two arrays that mdadm finds by itself'
quietly mdadm --zero-superblock "$(disk near2)" "$(disk near3)"
for number in 2 3; do
	quietly mdp2p create "found$number" --level 1 --yes --bitmap none "$(disk near$number)" missing -- --size=8M --assume-clean
done
mdadm_p2p --detail --scan >>/etc/mdadm/mdadm.conf
quietly mdadm_p2p --stop --scan
rm -f /dev/md/found*
quietly mdadm_p2p --assemble --scan
is 'the arrays' "$(grep -c '^md' /proc/mdstat):$(grep -o '^md[0-9]*' /proc/mdstat-p2p | sort | xargs)" '1:md510 md511'
quietly mdadm_p2p --stop --scan
is 'mounts' "$(</proc/self/mounts)" "$mounts"
quietly modprobe -r raid456-p2p raid1-p2p md-p2p
quietly p2pio check --memory host --seed 1 --length 1M /dev/md0
parity_is_right md0
