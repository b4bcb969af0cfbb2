# A user who is not root can look at everything.
# A command that needs root says so, and changes nothing.
# run: soak
# topology: split
# modules: p2p
# timeout: 180
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

# as_user COMMAND...: runs the command as a user without any rights.
as_user() { setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; }

# alike COMMAND...: root and a user get the same output and the same status.
alike() {
	local root_status=0 user_status=0 root user
	root=$("$@" 2>&1) || root_status=$?
	user=$(as_user "$@" 2>&1) || user_status=$?
	is "status of $*" "$user_status" "$root_status"
	[[ $user == "$root" ]] || fail "$*: root sees $root, and a user $user"
}

# is_clean MD: md has nothing more to write by itself.
is_clean() { [[ $(attr "$1" array_state) == clean ]]; }

# reached: prints which client reaches which provider, from `mdp2p topology --json`.
reached() {
	python3 -IS -c '
import json, sys
for pair in json.load(sys.stdin)["reach"]:
	print(pair["provider"], pair["client"], pair["way"], pair["distance"], pair["source"])'
}

# state: prints what only root may change.
state() {
	local name
	cut -d ' ' -f 1-3 /proc/modules
	pools
	grep . /sys/block/md*/md/{array_state,p2pdma_policy,p2pdma_provider}
	for name in near0 near1 near2 far0; do sectors_written "$name"; done
}

use_p2p
create md0 1 'near0 near1' --size=8M
until_true is_clean md0

say 'a user sees what root sees'
for command in list 'list --json' 'detail md0' 'detail md0 --json' stats 'stats --json' 'stats --prometheus' \
	'module status' 'module status --json' 'policy md0' 'provider md0'; do
	# shellcheck disable=SC2086 # they are words
	alike mdp2p $command
done
is 'reach' "$(as_user mdp2p topology --json | reached)" "$(mdp2p topology --json | reached)"

say 'a user is told what only root can see'
said=$(as_user mdp2p topology)
[[ $said == *nvme0n1*root* ]] || fail "topology: $said"
status=0 said=$(as_user mdp2p doctor) || status=$?
[[ $said == *root* ]] || fail "doctor: $said"
quietly mdp2p doctor || is 'status of doctor' "$status" 1
said=$(as_user mdp2p create md1 --level 1 --dry-run "$(disk near2)" "$(disk far0)" 2>&1) || fail "$said"
[[ $said == *'only root can open it'*'nothing was changed.' ]] || fail "create --dry-run: $said"
for command in 'stop md0' 'policy md0 off' 'provider md0 none' 'verify md0' 'bench md0' 'module load'; do
	# shellcheck disable=SC2086 # they are words
	quietly as_user mdp2p $command --dry-run
done

say 'a command that needs root says so, and does nothing'
before=$(state)
refused 1 'only root can make arrays' as_user mdp2p create md1 --level 1 --yes "$(disk near2)" "$(disk far0)"
refused 1 'only root can assemble arrays' as_user mdp2p assemble md1 "$(disk near2)" "$(disk far0)"
refused 1 'only root can stop arrays' as_user mdp2p stop md0
refused 1 'only root can change an array' as_user mdp2p policy md0 off
refused 1 'only root can change an array' as_user mdp2p provider md0 none
refused 1 'only root can run mdadm' as_user mdp2p mdadm -- --stop /dev/md0
for command in 'verify md0' 'verify md0 --destructive --yes' 'bench md0 --seconds 0.1'; do
	# shellcheck disable=SC2086 # they are words
	refused 1 'needs root' as_user mdp2p $command
done
for command in load unload install sign; do
	refused 1 root as_user mdp2p module "$command"
done
is 'state' "$(state)" "$before"
remove md0
