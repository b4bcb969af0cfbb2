# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Every scenario sources this file. A scenario is a list of statements. The first statement that
# does not hold ends the scenario with status 1, and says what was found instead.

set -euEo pipefail
trap 'fail "this: $BASH_COMMAND"' ERR

readonly K=1024 M=$((1024 * 1024))

# Statements

# say WORDS: prints the words, after the seconds that the scenario has run.
say() { echo "-- $SECONDS: $*"; }

# fail WORDS: ends the scenario with status 1 and these words.
fail() {
	trap - ERR
	echo "FAILED at line ${BASH_LINENO[-2]}: $*" >&2
	exit 1
}

# skip WHY: ends the scenario, which does not apply here, or no longer.
skip() {
	echo "$*"
	exit 77
}

# is WHAT FOUND EXPECTED: both are the same.
is() { [[ $2 == "$3" ]] || fail "$1: expected $3, found $2"; }

# is_about WHAT FOUND LEAST MOST: the number is within the limits.
is_about() { (($3 <= $2 && $2 <= $4)) || fail "$1: expected $3 to $4, found $2"; }

# quietly COMMAND...: the command succeeds. Its output is shown only if it fails.
quietly() {
	local said
	said=$("$@" 2>&1) || fail "$*: $said"
}

# refused STATUS WORDS COMMAND...: the command ends with this status, and says these words.
refused() {
	local status=0 said
	said=$("${@:3}" 2>&1) || status=$?
	[[ $status == "$1" && $said == *"$2"* ]] || fail "${*:3}: expected status $1 and \"$2\", found $status: $said"
}

# no_failed_units: systemd has started everything.
no_failed_units() { is 'failed units' "$(systemctl --failed --plain --no-legend)" ''; }

# patience: prints how many times longer than other kernels this one may take.
patience() { if [[ $(uname -r) == *-debug ]]; then echo 6; else echo 1; fi; }

# until_true COMMAND...: waits until the command succeeds. The only time limit is the scenario's own.
until_true() { until "$@"; do sleep 0.1; done; }

# Drives, by the names that their topology gives them

# disk NAME, bdf NAME: print the drive's block device and PCI address.
disk() { drive "$1" 2; }
bdf() { drive "$1" 1; }
drive() {
	local line
	while read -ra line; do
		if [[ ${line[0]} == "$1" ]]; then echo "${line[$2]}" && return; fi
	done </run/vm/drives
	fail "there is no drive $1"
}

# sectors_read NAME, sectors_written NAME: print the sectors since the guest is up.
sectors_read() { awk '{ print $3 }' "/sys/class/block/$(basename "$(disk "$1")")/stat"; }
sectors_written() { awk '{ print $7 }' "/sys/class/block/$(basename "$(disk "$1")")/stat"; }

# pools: prints the free peer memory of each provider. Whoever takes peer memory gives it back.
pools() { grep . /sys/bus/pci/devices/*/p2pmem/available; }

# dma COMMAND...: runs the command, and sets ram and peer to the bytes that the drives' DMA touched
# meanwhile. QEMU has seen them.
dma() {
	local said
	quietly vmctl dma
	quietly "$@"
	said=$(vmctl dma)
	# shellcheck disable=SC2034 # for the scenario
	read -r _ ram _ peer <<<"$said"
}

# watching NAME COMMAND...: runs the command, and sets loads and stores to the bytes of the drive's controller
# memory that CPUs read and wrote meanwhile. QEMU has seen them, and it sees DMA by itself.
watching() {
	local said
	quietly vmctl watch "$1"
	quietly "${@:2}"
	said=$(vmctl watched)
	# shellcheck disable=SC2034 # for the scenario
	read -r _ loads _ stores <<<"$said"
}

# Arrays

# use_p2p: loads md-p2p before mdadm can ask for the kernel's md. md-p2p loads levels by itself.
use_p2p() {
	modprobe md-p2p
	without_udev
}

# without_udev: stops udev, which reads every disk that was written to. Its DMA would be counted, and takes
# time. mdadm works without udev.
without_udev() {
	quietly udevadm settle
	quietly udevadm control --stop-exec-queue
	touch /run/vm/without-udev
	export MDADM_NO_UDEV=1
}

# create MD LEVEL "NAME..." [MDADM OPTION...]: makes an array of these drives, in sync.
create() {
	local md=$1 level=$2 names=$3 name disks=()
	shift 3
	for name in $names; do disks+=("$(disk "$name")"); done
	quietly mdadm --create "/dev/$md" --run --metadata=1.2 --level="$level" \
		--raid-devices=${#disks[@]} "$@" "${disks[@]}"
	! redundant "$md" || until_true is_whole "$md"
}

# shape_of LEVEL: sets shape to mdadm's options for small chunks and small members.
shape_of() {
	# shellcheck disable=SC2034 # for the scenario
	case $1 in
	linear | 0) shape=(--chunk=64) ;;
	1) shape=(--size=8M) ;;
	*) shape=(--chunk=64 --size=8M) ;;
	esac
}

# remove MD: stops an array, and makes its members forget it.
remove() {
	local rdev members=()
	for rdev in "/sys/block/$1/md"/dev-*; do members+=("/dev/${rdev##*/dev-}"); done
	quietly mdadm --stop "/dev/$1"
	quietly mdadm --zero-superblock "${members[@]}"
}

# wipe NAME LENGTH, wipe_disk DISK LENGTH: write zeros from the start on, superblock included. The drive makes
# them by itself. No data of a seed are zeros.
wipe() { wipe_disk "$(disk "$1")" "$2"; }
wipe_disk() { quietly blkdiscard --force --zeroout --length "$2" "$1"; }

# attr MD NAME, counter MD NAME: print what sysfs says.
attr() { echo "$(<"/sys/block/$1/md/$2")"; }
counter() { attr "$1" "p2pdma_$2"; }
# redundant MD: a member may be missing.
redundant() { [[ -e /sys/block/$1/md/sync_action ]]; }

# is_whole MD: the array neither rebuilds nor has to.
is_whole() {
	[[ $(attr "$1" degraded) == 0 && $(attr "$1" resync_start) == none && $(attr "$1" sync_action) == idle ]]
}

# members MD: prints PATH@OFFSET, where the data begin, or `missing` for each member, in md's order.
members() {
	local count slot offset state rdev list=()
	read -r count <"/sys/block/$1/md/raid_disks"
	for ((slot = 0; slot < count; slot++)); do list+=(missing); done
	for rdev in "/sys/block/$1/md"/dev-*; do
		read -r slot <"$rdev/slot"
		read -r state <"$rdev/state"
		read -r offset <"$rdev/offset"
		if [[ $slot != none && ,$state, == *,in_sync,* ]]; then
			list[slot]=/dev/${rdev##*/dev-}@$((offset * 512))
		fi
	done
	echo "${list[@]}"
}

# members_hold MD SEED OFFSET LENGTH: the members hold the data of the seed where the level puts them,
# parity and syndrome too. Each member is read by itself, through host memory.
members_hold() { compare_members "$1" --seed "$2" --offset "$3" --length "$4"; }

# members_match MD FILE OFFSET LENGTH: likewise with the data in the file.
members_match() { compare_members "$1" --data "$2" --offset "$3" --length "$4"; }

# compare_members MD OPTION...: compares the members with what p2pio's options say.
compare_members() {
	local level chunk list
	level=$(attr "$1" level)
	list=$(members "$1")
	case $level in
	linear) chunk=$(($(attr "$1" rd0/size) * K)) ;;
	raid1) chunk=$M ;;
	*) chunk=$(attr "$1" chunk_size) ;;
	esac
	# shellcheck disable=SC2086 # they are words
	quietly p2pio members --level "$level" --chunk "$chunk" "${@:2}" $list
}

# parity_is_right MD: md itself compares copies and parity, and finds no difference.
parity_is_right() {
	echo check >"/sys/block/$1/md/sync_action"
	until_true is_whole "$1"
	is "mismatch_cnt of $1 ($(attr "$1" level))" "$(attr "$1" mismatch_cnt)" 0
}
