# Acknowledged data are there after the array was stopped and started under load, and after a power failure.
# run: soak
# topology: split
# parallel: yes
# modules: p2p
# timeout: 300
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

levels=(0 1 10 5)
readonly part=$((1 * M)) area=$((64 * K)) areas=16

# place N SEED: prints where part N holds the data of a seed. The areas of a part are written in turn.
place() { echo $(($1 * part + $2 % areas * area)); }

# work N MEMORY: writes part N with one seed after the other, and notes the last one that is acknowledged.
work() {
	local seed=0
	while [[ ! -e /tmp/enough ]]; do
		seed=$((seed + 1))
		p2pio write --memory "$2" --seed $seed --offset "$(place "$1" $seed)" --length $area --block-size 44K /dev/md0 >/dev/null
		echo $seed >"/tmp/new$1"
		mv "/tmp/new$1" "/tmp/acknowledged$1"
	done
}

start_work() {
	rm -f /tmp/enough /tmp/acknowledged*
	work 0 "$(bdf near2)" &
	work 1 "$(bdf far0)" &
	work 2 host &
	until_true everybody_wrote
}
everybody_wrote() {
	local n
	for n in 0 1 2; do
		[[ -e /tmp/acknowledged$n && $(<"/tmp/acknowledged$n") -ge 5 ]] || return 1
	done
}

# holds SEED SEED SEED: each part has the data that were acknowledged last, and those before.
holds() {
	local n=0 last seed
	for last in "$@"; do
		for ((seed = last; seed > last - 4; seed--)); do
			quietly p2pio check --memory host --seed $seed --offset "$(place $n $seed)" --length $area /dev/md0
			members_hold md0 $seed "$(place $n $seed)" $area
		done
		n=$((n + 1))
	done
}

# acknowledged: sets seeds to the last acknowledged seed of each part.
acknowledged() {
	seeds=()
	for n in 0 1 2; do seeds+=("$(<"/tmp/acknowledged$n")"); done
}

begin() {
	say "raid$1"
	shape_of "$1"
	create md0 "$1" 'near0 near1 near2 far0' "${shape[@]}"
	start_work
	touch /tmp/enough
	wait
	quietly mdadm --stop /dev/md0
	quietly mdadm --assemble /dev/md0 "${disks[@]}"
	acknowledged
	holds "${seeds[@]}"
	start_work
	acknowledged
	vmctl kill "$1" "${seeds[@]}"
}

use_p2p
disks=("$(disk near0)" "$(disk near1)" "$(disk near2)" "$(disk far0)")
if (($#)); then
	quietly mdadm --assemble --run /dev/md0 "${disks[@]}"
	! redundant md0 || until_true is_whole md0
	holds "${@:2}"
	! redundant md0 || parity_is_right md0
	remove md0
	[[ $1 != "${levels[-1]}" ]] || exit 0
fi
for ((i = 0; i < ${#levels[@]}; i++)); do
	# The level after the one that was killed, or the first.
	[[ ! ${1-} || ($i -gt 0 && ${levels[i - 1]} == "$1") ]] || continue
	begin "${levels[i]}"
done
