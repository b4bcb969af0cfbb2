# The modules load and unload fifty times, and leave nothing behind.
# They taint the kernel as unsigned modules must, and no more.
# run: soak
# topology: switch
# modules: p2p
# timeout: 180
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

tracing=/sys/kernel/tracing
modules=(linear-p2p raid0-p2p raid1-p2p raid10-p2p raid456-p2p)

load() { modprobe -a md-p2p "${modules[@]}"; }
# This is rmmod because modprobe would also remove the kernel's xor and raid6, which are slow to load.
unload() { rmmod "${modules[@]}" md-p2p; }

# use LEVEL: makes an array, uses it with peer memory, and stops it.
use() {
	create md0 "$1" 'near0 near1 near2 near3' --assume-clean
	quietly p2pio write --memory "$(bdf near0)" --length 256K /dev/md0
	remove md0
}

# kept.awk prints what our modules allocated and nobody has freed, from a trace of the kernel's allocator.
cat >kept.awk <<'AWK'
function pointer(  i) { for (i = 1; i <= NF; i++) if ($i ~ /^ptr=/) return $i }
/ (kmalloc|kmem_cache_alloc|percpu_alloc_percpu): / { if (/_p2p\]/) kept[pointer()] = $0; else delete kept[pointer()] }
/ (kfree|kmem_cache_free|percpu_free_percpu): / { delete kept[pointer()] }
END { for (p in kept) print kept[p] }
AWK

trace_allocator() {
	local event
	echo 65536 >$tracing/buffer_size_kb
	for event in kmem/{kmalloc,kmem_cache_alloc,kfree,kmem_cache_free} percpu/percpu_{alloc,free}_percpu; do
		echo "$1" >"$tracing/events/$event/enable"
	done
}

# kernel_memory: prints the kilobytes of kernel memory. A leak would change this, but the number is not exact.
kernel_memory() { awk '/^(SUnreclaim|Percpu|VmallocUsed|KernelStack):/ { sum += $2 } END { print sum }' /proc/meminfo; }

# names: prints the names that a module may leave: modules, caches, workqueues, sysctls and files in /proc.
names() {
	cut -d ' ' -f 1,3 /proc/modules | sort
	awk 'NR > 2 { print $1 }' /proc/slabinfo | grep -v '^bio-\|^kmalloc' | sort
	# find would fail here, because it takes a folder of the debug kernel's debugfs for a loop.
	printf '%s\n' /sys/devices/virtual/workqueue/* /proc/sys/dev/* /sys/kernel/debug/*
	compgen -G '/proc/mdstat*' || true
	grep md /proc/devices || true
	pools
}

is 'taint before' "$(cat /proc/sys/kernel/tainted)" 0
use_p2p
load
is 'taint: out-of-tree 4096, unsigned 8192' "$(cat /proc/sys/kernel/tainted)" 12288
for parameter in md_source md_source_sha256 md_rules; do
	loaded=$(cat /sys/module/md_p2p/parameters/$parameter)
	[[ $loaded ]] || fail "$parameter is empty"
	is "$parameter" "$loaded" "$(modinfo -F $parameter md-p2p)"
done
for personality in linear raid0 raid1 raid10 raid4 raid5 raid6; do
	grep -qF "[$personality]" /proc/mdstat || fail "no $personality in $(head -n 1 /proc/mdstat)"
done

say 'a module in use stays'
create md0 1 'near0 near1' --assume-clean
refused 1 'in use' rmmod md-p2p
remove md0
unload

say 'every allocation is freed'
trace_allocator 1
load
for level in linear 0 1 10 4 5 6; do use $level; done
# Functions of the modules have names only while the modules are there.
cat $tracing/trace >before
echo >$tracing/trace
unload
# What RCU frees takes a moment.
sleep 1
cat before $tracing/trace >trace
trace_allocator 0
grep -q 'kmalloc: .*\[md_p2p\]' trace || fail 'the trace has nothing of ours'
is 'events that the trace has lost' "$(grep -c LOST trace || true)" 0
kept=$(awk -f kept.awk trace)
[[ ! $kept ]] || fail "kept: $kept"

say 'fifty times'
for round in {1..50}; do
	load
	unload
	if ((round == 10)); then
		names >after_ten
		memory=$(kernel_memory)
	fi
done
names | diff after_ten - >&2 || fail 'something was left after ten rounds'
say "kernel memory: $memory kB after ten rounds, $(kernel_memory) kB after fifty"
# Loading any module moves this number up or down by a quarter of a megabyte.
is_about 'kernel memory after forty more rounds, in kB' "$(kernel_memory)" 0 $((memory + 400))
is taint "$(cat /proc/sys/kernel/tainted)" 12288
