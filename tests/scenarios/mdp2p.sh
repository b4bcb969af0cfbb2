# mdp2p tells before what will be true after, and makes, checks and removes arrays as it says.
# topology: split
# modules: p2p
# trace: pci_nvme_map_addr
# timeout: 240
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

# json WHERE COMMAND...: what the JSON that a command prints has there, as Python writes it.
json() {
	local where=$1
	shift
	"$@" | python3 -c '
import json, sys
it = json.load(sys.stdin)
print(eval(sys.argv[1], {"it": it}))' "$where"
}

# reached: what `mdp2p topology` has about each drive's own memory and each other drive.
reached() {
	json '"\n".join(sorted("%s %s %s %s" % (pair["provider"], pair["client"], pair["way"], pair["distance"])
		for pair in it["reach"]))' mdp2p topology --json
}
source_of_reach() { json 'sorted({pair["source"] for pair in it["reach"]})' mdp2p topology --json; }

say 'who reaches whom is computed, and then asked'
computed=$(reached)
is 'source of it' "$(source_of_reach)" "['computed']"
quietly mdp2p module load
without_udev
free=$(pools)

say 'a plan changes nothing, and says what will be direct'
plan=$(mdp2p create md0 --level 1 --dry-run "$(disk near0)" "$(disk near1)" -- --size=8M)
[[ $plan == *'mdadm --create'* && $plan == *direct* ]] || fail "the plan: $plan"
[[ ! -e /sys/block/md0 ]] || fail 'a dry run made an array'
refused 1 'staged' mdp2p create md0 --level 1 --yes --require-direct "$(disk near0)" "$(disk far0)"
[[ ! -e /sys/block/md0 ]] || fail 'an array that would be staged was made'

say 'what is in use, or holds something, is left alone'
quietly mkfs.ext4 -q -F "$(disk near0)"
refused 1 ext4 mdp2p create md0 --level 1 --yes "$(disk near0)" "$(disk near1)"
mkdir -p /tmp/fs
mount "$(disk near0)" /tmp/fs
refused 1 /tmp/fs mdp2p create md0 --level 1 --yes --overwrite "$(disk near0)" "$(disk near0)" "$(disk near1)"
quietly umount /tmp/fs

say 'made, named by name, and as it was planned'
made=$(mdp2p create md0 --level 10 --yes --overwrite "$(disk near0)" "$(disk near0)" "$(disk near1)" "$(disk near2)" "$(disk far0)" -- --size=8M --chunk=64 2>&1) ||
	fail "mdp2p create: $made"
[[ $made != *md_mod* && $made != *md-mod* ]] || fail "noise: $made"
until_true is_whole md0
is 'state' "$(json 'it["array"]["p2p"]["state"]' mdp2p detail md0 --json)" "$(attr md0 p2pdma_state)"
refused 1 md0 mdp2p create md1 --level 1 --yes "$(disk near0)" "$(disk near1)"
is 'reach, as the kernel sees it' "$(reached)" "$computed"
is 'sources' "$(source_of_reach)" "['kernel']"

say 'settings'
quietly mdp2p policy md0 direct
is 'policy' "$(mdp2p policy md0)" direct
quietly mdp2p policy md0 auto
refused 1 0000:00:1f.7 mdp2p provider md0 0000:00:1f.7
quietly mdp2p provider md0 "$(bdf near1)"
is 'provider' "$(attr md0 p2pdma_provider)" "none ($(bdf near1))"

say 'verify: what it says is what QEMU saw'
dma true
dma mdp2p verify md0 --size 4M --provider "$(bdf near2)"
((peer > 0)) || fail "nothing went through peer memory: $said"
quietly mdp2p verify md0 --size 2M
quietly mdp2p verify md0 --size 2M --destructive --yes
quietly mkfs.ext4 -q -F /dev/md0
quietly mount /dev/md0 /tmp/fs
quietly mdp2p verify md0 --size 1M --write-file /tmp/fs/file
[[ ! -e /tmp/fs/file ]] || fail 'the file is still there'
refused 1 /tmp/fs mdp2p verify md0 --size 1M --destructive --yes
quietly umount /tmp/fs

say 'counters'
is 'direct bytes read' "$(json 'it["arrays"][0]["counted"]["read_direct_bytes"]' mdp2p stats --json)" "$(counter md0 read_direct_bytes)"
mdp2p stats --prometheus | grep -q '^mdp2p_.*array="md0"' || fail 'nothing for Prometheus'
bench=$(mdp2p bench md0 --block-size 64K --seconds 0.5 --svg plot.svg) || fail "bench: $bench"
[[ $bench == *'virtual machine'* ]] || fail "bench does not say that this means nothing: $bench"

say 'mdadm, unchanged and without noise'
detail=$(mdp2p mdadm -- --detail /dev/md0 2>&1)
[[ $detail == *'Raid Level : raid10'* && $detail != *md_mod* ]] || fail "$detail"
refused 1 'cannot open' mdp2p mdadm -- --detail /dev/md99
before=$(</proc/self/mounts)
quietly mdp2p stop md0
is 'mounts' "$(</proc/self/mounts)" "$before"
[[ ! -e /sys/block/md0/md/array_state ]] || is 'state' "$(attr md0 array_state)" clear
quietly mdp2p assemble md0 "$(disk near0)" "$(disk near1)" "$(disk near2)" "$(disk far0)"
is 'level' "$(attr md0 level)" raid10
mdp2p list | grep -q '^md0 .*raid10' || fail 'it is not listed'
refused 1 md0 mdp2p module unload
quietly mdp2p stop md0
quietly mdp2p module unload
[[ ! -e /sys/module/md_p2p ]] || fail 'md-p2p is still loaded'
is 'free peer memory' "$(pools)" "$free"
