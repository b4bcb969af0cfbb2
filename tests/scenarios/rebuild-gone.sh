# A rebuild goes on although its provider goes a hundred times, and members too.
# Each of them is let go at once.
# run: soak
# topology: switch
# parallel: yes
# modules: p2p
# timeout: 900
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

readonly size=$((16 * M)) rounds=25

# is_lending: something is lent now. This is asked again and again, so that it starts no process.
is_lending() {
	local now
	read -r now 2>/dev/null <"/sys/bus/pci/devices/$provider/p2pmem/available" && ((now < free_there))
}

lose() {
	quietly mdadm /dev/md0 --fail "$1"
	until_true mdadm /dev/md0 --remove "$1" >/dev/null 2>&1
}

has_given_up() { [[ $(attr md0 degraded) == 1 && $(attr md0 sync_action) == idle ]]; }

# work: rebuilds near1 again and again. The list of drives changes meanwhile.
work() {
	local round=0
	while [[ ! -e /tmp/enough ]]; do
		lose "$near1"
		wipe_disk "$near1" 18M
		quietly mdadm /dev/md0 --add "$near1"
		until_true is_whole md0
		round=$((round + 1))
		echo $round >/tmp/round
	done
}

# while_lending COMMAND...: runs the command as soon as something is lent, or nothing has been lent for a while. Sets
# took to its milliseconds.
while_lending() {
	local began deadline=$((SECONDS + 10 * patience))
	until is_lending || ((SECONDS > deadline)); do :; done
	! is_lending || lent=$((lent + 1))
	began=$(date +%s%3N)
	quietly "$@"
	took=$(($(date +%s%3N) - began))
	((took <= slowest)) || slowest=$took
}
unbind() { echo "$provider" >/sys/bus/pci/drivers/nvme/unbind; }
bind() { echo "$provider" >/sys/bus/pci/drivers/nvme/bind; }

# processors COUNT: uses so many processors. With any kernel QEMU loses interrupts, or aborts (iotlb_to_section), if one
# emulated processor changes mappings that another one uses. So drives are plugged in and out with one processor.
processors() { echo $(($1 - 1)) >/sys/devices/system/cpu/cpu1/online; }

patience=$(patience)
use_p2p
provider=$(bdf near2)
free=$(pools)
free_there=$(<"/sys/bus/pci/devices/$provider/p2pmem/available")
for level in 1 10; do
	near1=$(disk near1)
	create md0 $level 'near0 near1' --size=$((size / K)) --assume-clean
	quietly p2pio write --memory host --seed 1 --length $size /dev/md0
	echo "$provider" >/sys/block/md0/md/p2pdma_provider
	rm -f /tmp/enough /tmp/round
	work &
	worker=$!
	lent=0 slowest=0
	for ((i = 0; i < rounds; i++)); do
		while_lending unbind
		quietly bind
	done
	processors 1
	for ((i = 0; i < rounds; i++)); do
		while_lending vmctl unplug near2
		quietly vmctl plug near2
	done
	processors 2
	kill -0 $worker || fail 'the rebuilds have ended'
	touch /tmp/enough
	wait $worker
	say "raid$level: $(</tmp/round) rebuilds, $lent of $((2 * rounds)) times with memory lent, gone within $slowest ms"
	((lent >= rounds)) || fail "memory was lent only $lent times"
	((slowest < 10000 * patience)) || fail "a removal took $slowest ms"
	members_hold md0 1 0 $size
	parity_is_right md0
	(($(counter md0 rebuild_peer_bytes) > 0)) || fail 'nothing was lent'
	is 'free peer memory' "$(pools)" "$free"

	processors 1
	slowest=0
	for name in near1 near0; do
		say "raid$level: $name lends, and goes"
		lose "$(disk near1)"
		provider=$(bdf $name)
		echo "$provider" >/sys/block/md0/md/p2pdma_provider
		# The recovery must still run when the drive goes.
		echo 100 >/sys/block/md0/md/sync_speed_min
		echo $((4000 / patience)) >/sys/block/md0/md/sync_speed_max
		was=$(disk near1)
		quietly mdadm /dev/md0 --add "$was"
		while_lending vmctl unplug $name
		if [[ $name == near1 ]]; then
			# If it did not, only a write tells md that the member has gone.
			quietly p2pio write --memory host --seed 1 --length 64K /dev/md0
			until_true has_given_up
			mdadm /dev/md0 --remove detached >/dev/null 2>&1 || true
			quietly p2pio check --memory host --seed 1 --length $size /dev/md0
			quietly vmctl plug near1
			quietly mdadm --zero-superblock "$(disk near1)"
			echo system >/sys/block/md0/md/sync_speed_min
			echo system >/sys/block/md0/md/sync_speed_max
			quietly mdadm /dev/md0 --add "$(disk near1)"
			until_true is_whole md0
			members_hold md0 1 0 $size
			parity_is_right md0
		fi
	done
	# md begins and ends the recovery again and again, because its only source has gone. The array can be stopped.
	until_true mdadm --stop /dev/md0 >/dev/null 2>&1
	quietly vmctl plug near0
	for name in near0 near1; do quietly mdadm --zero-superblock "$(disk $name)"; done
	processors 2
	provider=$(bdf near2)
	is 'free peer memory' "$(pools)" "$free"
done
