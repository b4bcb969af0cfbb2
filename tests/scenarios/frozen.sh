# Direct I/O that is repeated waits neither for a suspended array nor for its queue, whoever freezes the
# queue meanwhile.
# run: soak
# topology: switch
# parallel: yes
# modules: p2p
# build: picky.c
# timeout: 300
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

# Under this policy direct I/O is tried each time, although it has failed, and each write is repeated.
readonly policy=direct rounds=5

# again FILE COMMAND...: repeats the command until `go` is gone. FILE gets a byte for each time.
again() {
	local file=$1
	shift
	while [[ -e go ]]; do
		"$@" >/dev/null
		printf x >>"$file"
	done
}

peer() { p2pio write --memory "$provider" --seed 1 --offset "$1" --length 1M --block-size 128K --depth 4 /dev/md0; }
host() { p2pio write --memory host --seed 1 --offset "$1" --length 1M --block-size 4K --depth 8 /dev/md0; }
suspend() {
	echo 0 >/sys/block/md0/md/suspend_lo
	sleep 0.05
}
freeze() {
	echo $((RANDOM % 2)) >/sys/block/md0/queue/iostats
	sleep 0.03
}

# Each of them goes on. They must not wait for each other for ever.
all_go_on() {
	local before file
	declare -A before
	for file in peer0 peer1 host suspend freeze; do before[$file]=$(stat --format=%s "$file"); done
	for file in peer0 peer1 host suspend freeze; do
		until_true longer_than "$file" "${before[$file]}"
	done
}
longer_than() { (($(stat --format=%s "$1") > $2)); }

use_p2p
quietly insmod picky.ko drive="$(disk near1)"
echo "picky $(bdf near1) /dev/picky - -" >>/run/vm/drives
provider=$(bdf near2)

for level in 1 10; do
	say "level $level"
	create md0 "$level" 'picky near0' --size=8M --bitmap=none
	echo "$policy" >/sys/block/md0/md/p2pdma_policy
	echo 1 >/sys/module/picky/parameters/refuse
	touch go peer0 peer1 host suspend freeze
	again peer0 peer 0 &
	again peer1 peer 2M &
	again host host 4M &
	again suspend suspend &
	again freeze freeze &
	for ((round = 0; round < rounds; round++)); do all_go_on; done
	rm go
	wait
	echo 0 >/sys/module/picky/parameters/refuse
	for at in 0 2M 4M; do
		quietly p2pio check --memory host --seed 1 --offset "$at" --length 1M /dev/md0
	done
	(($(counter md0 write_staged_bytes) > 0)) || fail 'nothing was repeated'
	parity_is_right md0
	remove md0
	rm peer0 peer1 host suspend freeze
done
