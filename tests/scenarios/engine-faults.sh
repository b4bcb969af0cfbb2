# A DMA engine that fails, refuses, hangs, comes late or loses its driver loses no byte: the CPU copies.
# Nothing that it does afterwards touches the pages of others.
# run: soak
# topology: engine
# modules: p2p
# build: edu.c
# timeout: 600
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

readonly start=$((12 * K)) length=$((32 * K))
area=(--offset "$start" --length "$length" --block-size 16K /dev/md0)

set_edu() { echo "$2" >"/sys/module/edu/parameters/$1"; }
driver() { echo "$engine" >"/sys/bus/pci/drivers/edu/$1"; }

# engine_copies, cpu_copies: who copies from and to the memory of near0.
engine_copies() { counter md0 staging | grep "^$near0 dma[0-9]*chan0 $engine\$" >/dev/null; }
cpu_copies() { counter md0 staging | grep -x "$near0 cpu" >/dev/null; }

# written SEED: writes data of the seed. checked SEED: reads them.
written() { p2pio write --memory "$near0" --seed "$1" "${area[@]}"; }
checked() { p2pio check --memory "$near0" --seed "$1" "${area[@]}"; }

# io NAME VALUE [NAME VALUE...]: the array keeps what is written to it, and gives it back, with these faults of the
# engine at each of the two. Sets staged and by_engine to the bytes that were counted, and took to the longest seconds.
seed=0
io() {
	local verb begun before before_engine
	before=$(staged_bytes) before_engine=$(counter md0 staged_engine_bytes) took=0
	seed=$((seed + 1))
	for verb in written checked; do
		ready
		faults "$@"
		begun=$SECONDS
		quietly $verb $seed
		took=$((SECONDS - begun > took ? SECONDS - begun : took))
		members_hold md0 $seed $start $length
	done
	staged=$(($(staged_bytes) - before)) by_engine=$(($(counter md0 staged_engine_bytes) - before_engine))
	say "$*: $took s, staged $staged, by the engine $by_engine"
}
staged_bytes() { echo $(($(counter md0 read_staged_bytes) + $(counter md0 write_staged_bytes))); }
# anew: binds the engine's driver anew. One that did not answer copies again only then.
anew() {
	cpu_copies || fail "who copies: $(counter md0 staging)"
	driver unbind
	driver bind
	until_true engine_copies
}
# ready: the engine copies. One that failed is left alone for a moment.
ready() {
	local i
	for ((i = 0; i < 30; i++)); do
		! engine_copies || return 0
		sleep 0.1
	done
	anew
}
faults() {
	while (($#)); do
		set_edu "$1" "$2"
		shift 2
	done
}

# well: the engine copies all again.
well() {
	io fail 0 refuse 0 stuck 0 late 0 terminable Y
	is 'bytes by the engine' $by_engine $staged
}

near0=$(bdf near0) engine=$(vmctl where engine0)
free=$(pools)
modprobe md-p2p p2pdma_engines=edu
without_udev
quietly insmod edu.ko
for level in 1 0 5; do
	say "level $level"
	shape_of $level
	create md0 $level 'far0 near1 near2' "${shape[@]}"
	well
	io fail 1
	((by_engine < staged)) || fail 'what failed counts as copied'
	io fail 3
	io refuse 1
	((by_engine < staged)) || fail 'what was refused counts as copied'
	well

	say 'it comes late'
	io stuck 1 late 1000
	is 'bytes by the engine' $by_engine $staged
	say 'it does not answer'
	io stuck 1 late 0
	((took < 9)) || fail "it took $took seconds"
	say 'it cannot be stopped, and comes late'
	io stuck 1 late 8000 terminable N
	((took >= 7)) || fail "it took only $took seconds"
	well

	say 'its driver leaves under load'
	for pause in 0.1 0.4 0.7 1.1; do
		until_true engine_copies
		seed=$((seed + 1))
		written $seed &
		sleep $pause
		driver unbind
		wait $! || fail 'I/O has failed'
		cpu_copies || fail "who copies: $(counter md0 staging)"
		members_hold md0 $seed $start $length
		quietly checked $seed
		driver bind
	done
	well
	is 'peer I/O refused' "$(counter md0 refused_ios)" 0
	remove md0
	quietly rmmod edu
	quietly insmod edu.ko
done

say 'its driver leaves while it hangs'
shape_of 0
create md0 0 'far0 near1 near2' "${shape[@]}"
for verb in written checked; do
	until_true engine_copies
	[[ $verb == checked ]] || seed=$((seed + 1))
	# Not every driver calls back then.
	faults stuck 1 late 0 terminable N silent "$([[ $verb == written ]] && echo Y || echo N)"
	$verb $seed &
	sleep 1
	driver unbind
	wait $! || fail 'I/O has failed'
	members_hold md0 $seed $start $length
	faults terminable Y silent N
	driver bind
done
well
remove md0
# What was lost is never given back.
refused 1 'in use' rmmod edu
is 'free peer memory' "$(pools)" "$free"
