# Members of an enrolled array that come one by one, or all at once, become one array.
# It is under md-p2p if possible, and else under the kernel's md.
# run: soak
# topology: switch
# modules: p2p
# timeout: 120
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

readonly folder=/etc/md-p2p/enrolled

comes() { mdp2p incremental "$(disk "$1")"; }
# is_ours MD, is_theirs MD: the array runs under md-p2p or under the kernel's md, and its data are right.
is_ours() { [[ -e /sys/block/$1/md/p2pdma_state ]] && holds_data "$1"; }
is_theirs() { [[ -e /sys/block/$1/md && ! -e /sys/block/$1/md/p2pdma_state ]] && holds_data "$1"; }
holds_data() { [[ $(attr "$1" array_state) != inactive ]] && quietly p2pio check --memory host --seed 1 --length 1M "/dev/$1"; }

# uuid_of NAME: prints the UUID of the array that a drive is a member of, as mdadm writes it.
uuid_of() { mdadm --examine --export "$(disk "$1")" | sed -n 's/^MD_UUID=//p'; }

without_udev
create md0 1 'near0 near1' --size=8M
quietly p2pio write --memory host --seed 1 --length 1M /dev/md0
uuid=$(attr md0 uuid)
quietly mdadm --stop /dev/md0
modprobe -r raid1

say 'an array that is not enrolled is refused, and so is a drive that is no member'
refused 1 "the array $uuid, which is not enrolled" comes near0
refused 1 'is not a member of an array' comes near2
! grep '^md_p2p ' /proc/modules || fail 'md-p2p was loaded'

say 'both members at once'
mkdir -p "$folder"
echo MD_P2P_NUMBER=200 >"$folder/$uuid"
comes near0 >first 2>&1 &
quietly comes near1
wait $! || fail "$(<first)"
is_ours md200 || fail "$(cat /proc/mdstat*)"
is 'the mode' "$(</sys/module/md_p2p/parameters/mode)" beside
say 'again'
quietly comes near0
quietly mdp2p stop md200

say 'one member, then the other, while the number is taken'
quietly mdadm --create /dev/md200 --run --level=1 --raid-devices=2 --assume-clean --size=8M "$(disk near2)" "$(disk near3)"
quietly comes near0
is 'the state' "$(attr md512 array_state)" inactive
quietly comes near1
is_ours md512 || fail "$(cat /proc/mdstat*)"
quietly mdp2p stop md512
remove md200

say 'it comes up although its file holds garbage'
echo garbage >"$folder/$uuid"
quietly comes near0
quietly comes near1
is_ours md512 || fail "$(cat /proc/mdstat*)"
quietly mdp2p stop md512

say 'a member that came back while it runs is not for mdadm'
! mdp2p incremental --runs "$uuid" || fail 'it does not run'
quietly comes near0
quietly comes near1
quietly mdp2p incremental --runs "$uuid"
rm "$folder/$uuid"
quietly mdp2p incremental --runs "$uuid"
quietly comes near0
quietly mdp2p stop md512
echo garbage >"$folder/$uuid"

say 'an initramfs has begun to assemble it, and systemd goes on'
quietly comes near0
mkdir -p /run/systemd/system
printf '#!/bin/sh\necho "$@" >/run/vm/started\n' >/usr/local/bin/systemctl
chmod +x /usr/local/bin/systemctl
quietly comes near0
is 'what is started' "$(</run/vm/started)" '--no-block start md-p2p-last-resort@md512.timer'
rm -r /usr/local/bin/systemctl /run/systemd
say 'mdadm looks for the arrays again'
quietly mdadm --incremental --rebuild-map
quietly mdp2p mdadm -- --run /dev/md512
is_ours md512 || fail "$(cat /proc/mdstat*)"
quietly mdp2p stop md512

say 'the other md has begun to assemble it'
echo "ARRAY /dev/md7 UUID=$(uuid_of near0)" >mdadm.conf
mdadm --incremental --config=mdadm.conf "$(disk near0)" >said 2>&1 || fail "$(<said)"
[[ -e /sys/block/md7/md ]] || fail "$(cat said /proc/mdstat* /run/mdadm/map; cat mdadm.conf)"
is 'the state' "$(attr md7 array_state)" inactive
quietly comes near1
[[ ! -e /sys/block/md512 ]] || fail "$(cat /proc/mdstat*)"
is_theirs md7 || fail "$(cat /proc/mdstat*)"
say 'a member goes'
quietly mdp2p incremental --fail "$(basename "$(disk near1)")"
is degraded "$(attr md7 degraded)" 1
quietly mdadm /dev/md7 --re-add "$(disk near1)" || quietly mdadm /dev/md7 --add "$(disk near1)"
until_true is_whole md7
quietly mdadm --stop /dev/md7

say 'it already runs under the other md'
quietly mdadm --assemble /dev/md7 --run "$(disk near0)"
refused 2 'not adding' comes near1
[[ ! -e /sys/block/md512 ]] || fail "$(cat /proc/mdstat*)"
quietly mdadm --stop /dev/md7

say 'md-p2p is not there'
modprobe -r raid1-p2p md-p2p
rm "/usr/lib/modules/$(uname -r)"/updates/*
depmod
echo MD_P2P_NUMBER=200 >"$folder/$uuid"
comes near1 2>said || fail "$(<said)"
grep "comes up under the kernel's md: md-p2p cannot be loaded" said >/dev/null || fail "$(<said)"
comes near0 2>said || fail "$(<said)"
is_theirs md200 || fail "$(cat /proc/mdstat*)"
