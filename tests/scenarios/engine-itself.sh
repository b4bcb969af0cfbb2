# The tests' DMA engine copies between peer and host memory and no CPU touches the peer memory, by QEMU's count.
# It fails, hangs and goes away when it is told to, and nothing arrives afterwards.
# run: soak
# topology: engine engines
# modules: stock
# build: edu.c copier.c
# timeout: 240
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

readonly length=$((16 * K))

# order WORDS: the copier does it.
order() { echo "$*" >/sys/module/copier/parameters/command; }

# set_edu NAME VALUE, edu NAME: write and print a parameter of the engine.
set_edu() { echo "$2" >"/sys/module/edu/parameters/$1"; }
edu() { echo "$(<"/sys/module/edu/parameters/$1")"; }

# driver VERB: binds the engine or unbinds it.
driver() { echo "$engine" >"/sys/bus/pci/drivers/edu/$1"; }

# arrived: the copy that came late is there.
arrived() { order check host 61 2>/dev/null; }

# aborted TO: starts many copies, which the engine aborts. Their memory is used for something else at once.
aborted() {
	refused 1 'canceled' order engine "$1" 10
	order fill "$1" 81
}

# copies TO FROM SEED: the engine copies new data there.
copies() {
	quietly order fill "$2" "$3"
	quietly order engine "$1"
	quietly order check "$1" "$3"
}

without_udev
free=$(pools)
engine=$(vmctl where engine0)
is 'the engine' "$(<"/sys/bus/pci/devices/$engine/vendor"):$(<"/sys/bus/pci/devices/$engine/device")" 0x1234:0x11e8
quietly insmod edu.ko
# If there is another engine, a client finds that one first.
driver unbind
driver bind
quietly insmod copier.ko provider="$(bdf near0)"

say 'data and accesses'
seed=0
for to in host peer; do
	[[ $to == host ]] && from=peer || from=host
	for who in engine cpu; do
		seed=$((seed + 1))
		quietly order fill "$from" $seed
		refused 1 'multibyte' order check $to $seed
		watching near0 order $who $to
		case $who-$to in
		engine-*) expected='0 0' ;;
		cpu-host) expected="$length 0" ;;
		cpu-peer) expected="0 $length" ;;
		esac
		is "bytes that the CPU read and wrote, $who to $to" "$loads $stores" "$expected"
		quietly order check $to $seed
	done
done
is 'bytes by the engine' "$(edu bytes)" $((2 * length))
watching near1 order cpu host
is 'accesses to the memory of another drive' "$loads $stores" '0 0'

say 'errors'
order fill host 50
order fill peer 51
set_edu fail 4
refused 1 'Input/output error' order engine host
refused 1 'multibyte' order check host 50
refused 1 'multibyte' order check host 51
set_edu refuse 1
refused 1 'No space left' order engine host
is 'what is left of fail and refuse' "$(edu fail) $(edu refuse)" '0 0'
copies host peer 52

say 'a descriptor that is stuck'
echo 1000 >/sys/module/copier/parameters/timeout
set_edu stuck 1
set_edu late 3000
order fill host 60
order fill peer 61
refused 1 'timed out' order engine host
sleep 4
quietly order check host 60
set_edu terminable N
set_edu stuck 1
refused 1 'busy' order engine host
quietly order check host 60
until_true arrived
set_edu terminable Y
set_edu late 0
echo 10000 >/sys/module/copier/parameters/timeout
copies host peer 62

say 'termination in the midst of a transfer'
for pause in 0 50 130 250; do
	echo $((pause + 20)) >/sys/module/copier/parameters/timeout
	order fill host 70
	order fill peer 71
	refused 1 'timed out' order engine host
	order fill host 72
	sleep 1
	quietly order check host 72
done
echo 10000 >/sys/module/copier/parameters/timeout
copies peer host 73

say 'unbinding under load'
for pause in 0.4 0.45 0.5 0.9; do
	order fill host 80
	aborted peer &
	sleep $pause
	driver unbind
	wait $! || fail 'the copy was not aborted'
	sleep 0.5
	quietly order check peer 81
	refused 1 'No space left' order engine peer
	refused 1 'File exists' insmod edu.ko
	refused 1 'in use' rmmod edu
	quietly rmmod copier
	driver bind
	quietly insmod copier.ko provider="$(bdf near0)"
	copies host peer 82
done

say 'unbinding with a stuck descriptor'
set_edu stuck 1
set_edu terminable N
(refused 1 'canceled' order engine peer) &
sleep 0.5
driver unbind
wait $! || fail 'the copy was not aborted'
quietly rmmod copier
set_edu terminable Y
driver bind

say 'a provider that the engine does not reach'
refused 1 'No such device' insmod copier.ko provider="$(bdf far0)"
quietly rmmod edu

say 'a channel for everybody'
quietly insmod edu.ko private=0
quietly insmod copier.ko provider="$(bdf near0)"
copies host peer 90
quietly rmmod copier
quietly rmmod edu
is 'free peer memory' "$(pools)" "$free"
