#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# mdadm.sh TEST: one of mdadm's own tests, in a guest, under md-p2p if the guest has it, else under the kernel's md.
# Status 0 if it passed, 1 if it failed, 77 if it was skipped, 124 if it did not end, 2 if it could not be tried.

set -euo pipefail
trap 'exit 2' ERR
readonly patience=1800

cd /usr/src/mdadm
# It keeps udev from assembling, which tests rely on.
rm -f /etc/mdadm/mdadm.conf
if modinfo md-p2p &>/dev/null; then
	# Before mdadm asks for the kernel's. A test would have no other way to see that there is a linear.
	modprobe --all md-p2p linear-p2p
	sed -i 's,/sys/module/md_mod/,/sys/module/md_p2p/,' test tests/[0-9]*
else
	modprobe md-mod
fi
# Where two tests take data from: the disk of the root, which here has none.
sed -i 's,^sda=.*,sda=/dev/vm/near0,' tests/10ddf-*
modprobe loop
# The disks, as large as `test` makes them of zeros that would take memory.
for ((n = 0; n < 14; n++)); do truncate --size=$((n < 8 ? 20000 : 65536))K "/var/tmp/mdtest$n"; done

# What mdadm's Makefile exported for tests.
export dir=$PWD
log=/tmp/logs/$1.log
limit=$patience status=0
[[ $(uname -r) != *-debug ]] || limit=$((6 * patience))
timeout --kill-after=10 "$limit" ./test --tests="$1" --keep-going --save-logs --logdir="${log%/*}" || status=$?
[[ -e $log ]] || log=/var/tmp/log
[[ -e $log ]]

# Some say so of levels only that are not there, having tried the others.
if grep -q 'SKIPPING, REASON' "$log" || { grep -q '^skipping' "$log" && ! grep -q '^+* mdadm ' "$log"; }; then
	reason=$(sed -n 's/^\s*SKIPPING, REASON: *//p' "$log")
	echo "skipped: ${reason:-what it tries is not there}"
	exit 77
fi
((status != 0)) || exit 0
tail --lines=60 "$log"
cat /proc/mdstat
# What waits for ever says where.
((status != 137)) || status=124
((status != 124)) || echo w >/proc/sysrq-trigger
exit "$status"
