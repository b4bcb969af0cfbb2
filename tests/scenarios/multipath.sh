# I/O of a drive with several paths is direct only if every path reaches the provider, however the kernel
# chooses among them. Otherwise no byte is lost.
# run: soak
# topology: paths
# modules: p2p
# trace: pci_nvme_map_addr
# timeout: 240
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

# Whole chunks, of which each member of a raid0 has the same number.
readonly start=$((64 * K)) length=$((1536 * K))
area=(--offset "$start" --length "$length" --block-size 64K /dev/md0)

# paths NAME: prints the kernel's disk of each path of this drive.
paths() {
	local head
	head=$(basename "$(disk "$1")")
	echo "/sys/class/block/${head%n*}"c*"n${head##*n}"
}

# controller PATH: prints the address of the PCI device that does the path's DMA.
controller() { basename "$(readlink -f "$1/device/device")"; }

# has_paths NAME COUNT: the drive has so many paths.
has_paths() {
	local each
	read -ra each <<<"$(paths "$1")"
	[[ -e ${each[0]}/stat && ${#each[@]} == "$2" ]]
}

# used NAME: prints the requests that each path has done.
used() {
	local path
	for path in $(paths "$1"); do awk '{ print $1 + $5 }' "$path/stat"; done
}

# of_member NAME FILE, distance NAME: print what sysfs says of a member, and its distance from near1's memory.
of_member() { attr md0 "dev-$(basename "$(disk "$1")")/p2pdma_$2"; }
distance() { of_member "$1" distance | sed -n "s/^$provider //p"; }

is_state() { [[ $(counter md0 state) == "$1" ]]; }

# io VERB DIRECTION NAME: does I/O, and sets direct, staged and by to the bytes that the array and the member count.
io() {
	local before_direct before_staged before_by
	before_direct=$(counter md0 "$2_direct_bytes") before_staged=$(counter md0 "$2_staged_bytes")
	before_by=$(of_member "$3" "$2_bytes")
	dma p2pio "$1" --memory "$provider" --seed $seed "${area[@]}"
	direct=$(($(counter md0 "$2_direct_bytes") - before_direct))
	staged=$(($(counter md0 "$2_staged_bytes") - before_staged))
	by=$(($(of_member "$3" "$2_bytes") - before_by))
	is "bytes of $2, direct and staged" $((direct + staged)) $length
}

# write NAME DIRECT PEER BY: writes. So many bytes are direct, touch peer memory, and are direct by this member.
write() {
	seed=$((seed + 1))
	io write write "$1"
	is 'bytes written direct' $direct "$2"
	is 'DMA from peer memory' "$peer" "$3"
	is "bytes written direct by $1" $by "$4"
	members_hold md0 $seed $start $length
}

# check NAME: reads. Direct bytes touch peer memory, and no others do.
check() {
	io check read "$1"
	is 'DMA into peer memory' "$peer" $direct
	quietly p2pio check --memory host --seed $seed "${area[@]}"
}

is nvme_core.multipath "$(</sys/module/nvme_core/parameters/multipath)" Y
for name in twin0 twin1; do
	until_true has_paths $name 2
	! readlink -f "/sys/class/block/$(basename "$(disk $name)")" | grep pci || fail "$name is no head of paths"
done
for policy in /sys/class/nvme-subsystem/*/iopolicy; do echo round-robin >"$policy"; done

use_p2p
provider=$(bdf near1) seed=0
free=$(pools)
for level in 0 1 5; do
	shape_of $level
	for name in twin0 twin1; do
		say "$level with $name"
		names="near0 $name"
		[[ $level != 5 ]] || names="near0 near1 $name"
		create md0 $level "$names" "${shape[@]}"
		mapfile -t before < <(used $name)

		is 'distance of near0' "$(distance near0)" 4
		case $name in
		twin0)
			is "distance of $name" "$(distance $name)" 4
			[[ $level == 5 ]] || is reason "$(counter md0 reason)" 'every member reaches every provider'
			expected=direct
			;;
		twin1)
			is "distance of $name" "$(distance $name)" unreachable
			counter md0 reason | grep -x "$(basename "$(disk $name)") does not reach $provider" >/dev/null ||
				fail "reasons: $(counter md0 reason)"
			expected=staged
			;;
		esac
		[[ $level != 5 ]] || expected=staged
		is state "$(counter md0 state)" "$expected"

		if [[ $level == 1 ]]; then
			# The twin was brought in sync from near0 when the array was made.
			rebuilt=(0 $((8 * M)))
			[[ $name != twin0 ]] || rebuilt=($((8 * M)) 0)
			is 'bytes rebuilt through peer memory' "$(counter md0 rebuild_peer_bytes)" "${rebuilt[0]}"
			is 'bytes rebuilt through host memory' "$(counter md0 rebuild_host_bytes)" "${rebuilt[1]}"
		fi

		case $level-$name in
		0-twin0) write $name $length $length $((length / 2)) ;;
		0-twin1) write $name $((length / 2)) $((length / 2)) 0 ;;
		1-twin0) write $name $length $((2 * length)) $length ;;
		*) write $name 0 0 0 ;;
		esac

		check $name
		case $level-$name in
		# The rest is on the twin.
		0-twin1) is 'bytes read direct' $direct $((length / 2)) ;;
		5-twin1) ((0 < direct && direct < length)) || fail "$direct bytes read direct" ;;
		*) is 'bytes read direct' $direct $length ;;
		esac
		case $level-$name in
		0-twin0) is "bytes read direct by $name" $by $((length / 2)) ;;
		5-twin0) ((by > 0)) || fail "$name read nothing direct" ;;
		*-twin1) is "bytes read direct by $name" $by 0 ;;
		esac

		is 'peer I/O refused' "$(counter md0 refused_ios)" 0
		mapfile -t after < <(used $name)
		((after[0] > before[0] && after[1] > before[1])) ||
			fail "not both paths of $name were used: ${before[*]}, then ${after[*]}"
		! redundant md0 || parity_is_right md0
		remove md0
	done
done

say 'without its far path twin1 is near, and with it far again'
create md0 1 'near0 twin1' --size=8M
is state "$(counter md0 state)" staged
for path in $(paths twin1); do
	[[ $(controller "$path") == "$(bdf twin1)" ]] || far=$(controller "$path")
done
echo 1 >"/sys/bus/pci/devices/$far/remove"
until_true is_state direct
is 'distance of twin1' "$(distance twin1)" 4
write twin1 $length $((2 * length)) $length
echo 1 >/sys/bus/pci/rescan
until_true has_paths twin1 2
until_true is_state staged
is 'distance of twin1' "$(distance twin1)" unreachable
write twin1 0 0 0
is degraded "$(attr md0 degraded)" 0
parity_is_right md0
remove md0
is 'free peer memory' "$(pools)" "$free"
