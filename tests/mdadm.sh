#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# mdadm.sh TEST: runs one of mdadm's own tests in a guest, under md-p2p if the guest has it, else under the kernel's md.
# Status 0 means that it passed, 1 failed, 77 was skipped, 124 did not end, 2 could not be tried.

set -euo pipefail
trap 'exit 2' ERR
readonly patience=1800

cd /usr/src/mdadm
# This file would keep udev from assembling, and tests rely on that.
rm -f /etc/mdadm/mdadm.conf
if modinfo md-p2p &>/dev/null; then
	# md-p2p comes before mdadm asks for the kernel's md. linear-p2p comes too, because a test cannot find it otherwise.
	modprobe --all md-p2p linear-p2p
	sed -i 's,/sys/module/md_mod/,/sys/module/md_p2p/,' test tests/[0-9]*
else
	modprobe md-mod
fi
# Two tests take data from the disk of the root, which is none here.
sed -i 's,^sda=.*,sda=/dev/vm/near0,' tests/10ddf-*
modprobe loop
# The disks are as large as `test` makes them, but sparse, because zeros would take memory.
for ((n = 0; n < 14; n++)); do truncate --size=$((n < 8 ? 20000 : 65536))K "/var/tmp/mdtest$n"; done

# mdadm's Makefile exports this for tests.
export dir=$PWD
log=/tmp/logs/$1.log
limit=$patience status=0
[[ $(uname -r) != *-debug ]] || limit=$((6 * patience))
timeout --kill-after=10 "$limit" ./test --tests="$1" --keep-going --save-logs --logdir="${log%/*}" || status=$?
[[ -e $log ]] || log=/var/tmp/log
[[ -e $log ]]

# Some tests say so only of levels that are not there, and have tried the others.
if grep -q 'SKIPPING, REASON' "$log" || { grep -q '^skipping' "$log" && ! grep -q '^+* mdadm ' "$log"; }; then
	reason=$(sed -n 's/^\s*SKIPPING, REASON: *//p' "$log")
	echo "skipped: ${reason:-what it tries is not there}"
	exit 77
fi
((status != 0)) || exit 0
tail --lines=60 "$log"
cat /proc/mdstat
# A process that waits for ever says where.
((status != 137)) || status=124
((status != 124)) || echo w >/proc/sysrq-trigger
exit "$status"
