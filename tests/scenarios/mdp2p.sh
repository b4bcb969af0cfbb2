# What mdp2p predicts comes true.
# It makes, checks and removes arrays as it says.
# run: test
# topology: split
# modules: p2p
# trace: pci_nvme_map_addr
# timeout: 360
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

# json WHERE COMMAND...: prints a part of the JSON that a command prints, as Python writes it.
json() {
	local where=$1
	shift
	"$@" | python3 -IS -c '
import json, sys
it = json.load(sys.stdin)
print(eval(sys.argv[1], {"it": it}))' "$where"
}

# reached: prints what `mdp2p topology` says of each drive's memory and each other drive.
reached() {
	json '"\n".join(sorted("%s %s %s %s" % (pair["provider"], pair["client"], pair["way"], pair["distance"])
		for pair in it["reach"]))' mdp2p topology --json
}
source_of_reach() { json 'sorted({pair["source"] for pair in it["reach"]})' mdp2p topology --json; }

# answer WORD COMMAND...: runs the command on a terminal, and answers all of its questions. Sets said to what was on
# the terminal. The exit status is the command's own.
answer() {
	said=$(NO_COLOR=1 python3 -IS -c '
import os, pty, re, sys
child, terminal = pty.fork()
if child == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
said = b""
while True:
    try:
        said += os.read(terminal, 4096)
    except OSError: # everybody else has closed it
        break
    if re.search(rb"\[y/N\]\??\s*$", said):
        os.write(terminal, sys.argv[1].encode() + b"\n")
        said += b"\n"
sys.stdout.buffer.write(said)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))' "$@")
}

# held DEVICE COMMAND...: runs the command while a process has the device exclusively, which sysfs does not show.
held() {
	python3 -IS -c '
import os, sys
os.set_inheritable(os.open(sys.argv[1], os.O_RDONLY | os.O_EXCL), True)
os.execvp(sys.argv[2], sys.argv[2:])' "$@"
}

# planned PROVIDER COMMAND...: prints what the plan says of reads with the provider's memory, and of the state.
planned() {
	"${@:2}" --dry-run "${layout[@]}" >plan || fail "${*:2}: $(<plan)"
	awk -v provider="$1" '$1 == provider { read = $2 } /^p2pdma_policy/ { state = $NF } END { print read, state }' plan
}

# came MD PROVIDER: prints the same words, from what the array counts and says when it is read.
came() {
	local direct staged
	direct=$(counter "$1" read_direct_bytes) staged=$(counter "$1" read_staged_bytes)
	quietly p2pio read --memory "$2" --length 2M --block-size 64K "/dev/$1"
	direct=$(($(counter "$1" read_direct_bytes) - direct)) staged=$(($(counter "$1" read_staged_bytes) - staged))
	is 'bytes counted' $((direct + staged)) $((2 * M))
	case $direct/$staged in
	*/0) echo "direct $(attr "$1" p2pdma_state)" ;;
	0/*) echo "staged $(attr "$1" p2pdma_state)" ;;
	*) echo "partly $(attr "$1" p2pdma_state)" ;;
	esac
}

say 'reachability is computed, and then asked for'
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

say 'a drive that is in use, or holds data, is left alone'
quietly mkfs.ext4 -q -F "$(disk near0)"
refused 1 ext4 mdp2p create md0 --level 1 --yes "$(disk near0)" "$(disk near1)"
mkdir -p /tmp/fs
mount "$(disk near0)" /tmp/fs
refused 1 /tmp/fs mdp2p create md0 --level 1 --yes --overwrite "$(disk near0)" "$(disk near0)" "$(disk near1)"
quietly umount /tmp/fs

say 'if a user says no, or cannot be asked, nothing is lost'
pair=("$(disk near0)" "$(disk near1)")
mirror=(mdp2p create md0 --level 1 --overwrite "${pair[0]}" --policy direct --provider "$(bdf near1)" "${pair[@]}")
before=$(sha256sum "${pair[@]}")
for word in no '' maybe; do
	! answer "$word" "${mirror[@]}" -- --size=8M || fail "\"$word\" was taken for a yes: $said"
	[[ $said == *'mdadm --create'*'will be lost. [y/N]'*'nothing was changed'* ]] || fail "$said"
done
refused 1 'there is no terminal to ask on' "${mirror[@]}" -- --size=8M
refused 1 'sysfs does not say by what' held "${pair[1]}" "${mirror[@]}" --yes -- --size=8M
[[ ! -e /sys/block/md0 ]] || fail 'nobody has agreed, and there is an array'
is 'members' "$(sha256sum "${pair[@]}")" "$before"

say 'if a user says yes, the array is as it was asked for'
answer y "${mirror[@]}" -- --size=8M || fail "mdp2p create: $said"
[[ $said == *'will be lost. [y/N]'*'md0: raid1 of 2 members'* ]] || fail "$said"
until_true is_whole md0
is 'policy' "$(attr md0 p2pdma_policy)" direct
is 'provider' "$(attr md0 p2pdma_provider)" "none ($(bdf near1))"
is 'members' "$(readlink /sys/block/md0/md/rd0) $(readlink /sys/block/md0/md/rd1)" "dev-${pair[0]##*/} dev-${pair[1]##*/}"
quietly mdp2p stop md0

say 'each layout of raid10 is read as planned'
slots=("$(disk near0)" missing "$(disk far0)" "$(disk near1)")
seen=
for layout in n2 f2 o2 n3 n4; do
	layout=(-- --layout="$layout" --assume-clean --size=4M --chunk=64)
	raid10=(mdp2p create md0 --level 10 --yes --bitmap none --overwrite "${slots[0]}" --overwrite "${slots[2]}" --overwrite "${slots[3]}" "${slots[@]}")
	near=$(planned "$(bdf near0)" "${raid10[@]}") far=$(planned "$(bdf far0)" "${raid10[@]}")
	quietly "${raid10[@]}" "${layout[@]}"
	is "${layout[1]}, near" "$(came md0 "$(bdf near0)")" "$near"
	is "${layout[1]}, far" "$(came md0 "$(bdf far0)")" "$far"
	seen+=" ${near% *}/${far% *}"
	quietly mdp2p stop md0
done
is 'plans' "$seen" ' direct/partly partly/partly partly/partly direct/partly direct/direct'

say 'a journal is a device like any other'
raid5=(mdp2p create md0 --level 5 --yes --overwrite "${pair[0]}" "${pair[0]}" "$(disk near2)" --write-journal "${pair[1]}")
refused 1 "--overwrite ${pair[1]}" "${raid5[@]}" -- --size=8M
quietly "${raid5[@]}" --overwrite "${pair[1]}" -- --size=8M
is 'consistency policy' "$(attr md0 consistency_policy)" journal
mdp2p detail md0 | grep -q "${pair[1]##*/}.*journal" || fail "no journal: $(mdp2p detail md0)"
quietly mdp2p verify md0 --size 1M
quietly mdp2p stop md0

say 'an array with a name is made as planned'
all=("$(disk near0)" "$(disk near1)" "$(disk near2)" "$(disk far0)")
made=$(mdp2p create md0 --level 10 --yes "${all[@]/#/--overwrite=}" "${all[@]}" -- --size=8M --chunk=64 2>&1) ||
	fail "mdp2p create: $made"
is 'consistency policy, after a yes to all questions' "$(attr md0 consistency_policy)" bitmap
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

say 'verify says what QEMU saw'
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
quietly mdp2p assemble md0 "${all[@]}"
is 'level' "$(attr md0 level)" raid10
mdp2p list | grep -q '^md0 .*raid10' || fail 'it is not listed'
refused 1 md0 mdp2p module unload
quietly mdp2p stop md0
quietly mdp2p module unload
[[ ! -e /sys/module/md_p2p ]] || fail 'md-p2p is still loaded'
is 'free peer memory' "$(pools)" "$free"
