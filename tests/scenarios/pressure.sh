# Staging goes on when memory is short and is freed only through a swap file on the same array.
# run: soak
# topology: split
# modules: p2p
# timeout: 300
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

readonly swap=$((64 * M)) area=$((2 * M))
stagers=()

# hog: takes memory until half of the swap area is in use, and keeps touching it.
hog() {
	exec python3 -IS -c '
def swap(key):
	return next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith(key))
taken = []
while True:
	if swap("SwapFree") > swap("SwapTotal") / 2:
		taken.append(bytearray(8 << 20))
		taken[-1][::4096] = bytes([1]) * 2048
	else:
		for memory in taken:
			memory[::4096] = bytes([2]) * 2048'
}

much_is_swapped_out() { (($(swapped_out) - before > 4096)); }
swapped_out() { awk '$1 == "pswpout" { print $2 }' /proc/vmstat; }

# work N MEMORY: writes and checks file N, until there is `enough`.
work() {
	local round=0
	while [[ ! -e enough ]]; do
		round=$((round + 1))
		p2pio write --memory "$2" --seed $round --block-size 300K "/tmp/fs/file$1"
		p2pio check --memory "$2" --seed $round --block-size 100K "/tmp/fs/file$1"
		echo $round >"round$1"
	done
}

# rounds N: waits until every worker has done N more rounds.
rounds() {
	local n
	for ((n = 0; n < $1; n++)); do
		rm -f round0 round1
		until_true all_have_done_one
	done
}
# all_have_done_one: or a worker has ended, which nobody must wait for.
all_have_done_one() { [[ -s round0 && -s round1 ]] || ! kill -0 "${stagers[@]}" 2>/dev/null; }

use_p2p
free=$(pools)
mkdir /tmp/fs
for level in 1 5; do
	say "$level: a swap file, and files that are staged"
	create md0 $level 'near0 near1 far0' --size=90M --assume-clean --bitmap=none
	if [[ $level == 5 ]]; then
		echo repair >/sys/block/md0/md/sync_action
		until_true is_whole md0
	fi
	quietly mkfs.ext4 -q -F /dev/md0
	quietly mount -t ext4 /dev/md0 /tmp/fs
	for file in swap file0 file1; do fallocate --length $area /tmp/fs/$file; done
	fallocate --length $swap /tmp/fs/swap
	chmod 600 /tmp/fs/swap
	quietly mkswap /tmp/fs/swap
	quietly swapon /tmp/fs/swap
	rm -f enough
	stagers=()
	for memory in "$(bdf near2)" "$(bdf far0)"; do
		work ${#stagers[@]} "$memory" >"work${#stagers[@]}" 2>&1 &
		stagers+=($!)
	done
	rounds 1

	before=$(swapped_out)
	hog >hogged 2>&1 &
	hog=$!
	until_true much_is_swapped_out
	rounds 2
	kill -0 $hog || fail "no pressure: $(cat hogged)"
	is_about 'pages swapped out' $(($(swapped_out) - before)) 4096 1000000000
	kill $hog
	touch enough
	wait
	for n in 0 1; do
		! grep -v '^\(write\|check\):' work$n || fail "worker $n"
		quietly p2pio check --memory host --seed "$(cat round$n)" /tmp/fs/file$n
	done
	(($(counter md0 write_staged_bytes) > 0)) || fail 'nothing was staged'
	quietly swapoff /tmp/fs/swap
	quietly umount /tmp/fs
	quietly e2fsck -f -n /dev/md0
	parity_is_right md0
	remove md0
done
is 'free peer memory' "$(pools)" "$free"
