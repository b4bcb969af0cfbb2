# A member's queue never merges I/O from peer memory with a neighbour, be that from host memory, from the
# same provider or from another one.
# run: test
# topology: iommu
# soak: switch
# modules: p2p
# build: bvec.c
# timeout: 180
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

# Host memory and the memory of two providers. All nine pairs of neighbours occur.
readonly order=hhaabbhba
length=$((4 * ${#order} * 4 * K))
tracing=/sys/kernel/tracing

# mixed.py write|read TARGET FILE ORDER KIND=BDF...: writes what is in the file, or compares what it reads with that.
# It does so by blocks of 4K in one system call (io_submit), which use the memories in this order. The kernel would
# merge these neighbours.
cat >mixed.py <<'END'
import ctypes, mmap, os, struct, sys

verb, target, file, order, *providers = sys.argv[1:]
data = open(file, "rb").read()
writes = verb == "write"
memories = {"h": mmap.mmap(-1, len(data))}
for provider in providers:
    kind, bdf = provider.split("=")
    pool = os.open(f"/sys/bus/pci/devices/{bdf}/p2pmem/allocate", os.O_RDWR)
    memories[kind] = mmap.mmap(pool, len(data))
libc = ctypes.CDLL(None, use_errno=True)
IO_SETUP, IO_GETEVENTS, IO_SUBMIT, PREAD, PWRITE = 206, 208, 209, 0, 1
BLOCK = 4096

def call(number, *arguments):
    result = libc.syscall(number, *arguments)
    assert result >= 0, os.strerror(ctypes.get_errno())
    return result

disk = os.open(target, os.O_RDWR | os.O_DIRECT)
places = [(memories[order[at // BLOCK % len(order)]], at) for at in range(0, len(data), BLOCK)]
blocks = []
for memory, at in places:
    memory[at : at + BLOCK] = data[at : at + BLOCK] if writes else bytes(BLOCK)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory, at))
    operation = PWRITE if writes else PREAD
    iocb = struct.pack("<QIIHhIQQqQII", at, 0, 0, operation, 0, disk, address, BLOCK, at, 0, 0, 0)
    blocks.append(ctypes.create_string_buffer(iocb, len(iocb)))

context = ctypes.c_ulong()
count = len(blocks)
call(IO_SETUP, count, ctypes.byref(context))
pointers = (ctypes.c_void_p * count)(*map(ctypes.addressof, blocks))
assert call(IO_SUBMIT, context, count, pointers) == count
events = (ctypes.c_longlong * 4 * count)()
assert call(IO_GETEVENTS, context, count, count, events, None) == count
bad = [f"offset {at}: {result}" for at, _, result, _ in events if result != BLOCK]
bad += [f"offset {at}: other data" for memory, at in places if memory[at : at + BLOCK] != data[at : at + BLOCK]]
assert not bad, bad
END

# by_system_call write|read, by_driver write|read: an application does it with mixed.py; or a driver does it, and its
# bios come without REQ_NOMERGE.
by_system_call() { quietly python3 mixed.py "$1" /dev/md0 data $order "a=$(bdf near0)" "b=$(bdf near1)"; }
by_driver() {
	local write=0
	[[ $1 == read ]] || write=1
	quietly insmod bvec.ko target=/dev/md0 write=$write file="$PWD/data" order=$order providers="$(bdf near0),$(bdf near1)"
	rmmod bvec
}

# mixed HOW write|read: sets merges to the merges meanwhile, a line for each: the two kinds of memory.
mixed() {
	echo >$tracing/trace
	"by_$1" "$2"
	merges=$(merged_kinds)
}

# merged_kinds: prints the two kinds of memory of each merge. The first chunk is on one member, or on several in the
# same place, so that one member tells for all which block is where.
merged_kinds() {
	local list
	read -ra list <<<"$(members md0)"
	awk -v start=$((${list[0]#*@} / 512)) -v order=$order '
		function kind(block) { return substr(order, block % length(order) + 1, 1) }
		/block_bio_(back|front)merge/ {
			for (i = 1; $i != "+"; i++);
			block = ($(i - 1) - start) / 8
			neighbour = /backmerge/ ? block - 1 : block + $(i + 1) / 8
			print kind(block) kind(neighbour)
		}' $tracing/trace
}

# only_host_merged HOW VERB: host memory was merged with host memory, and nothing else was merged.
declare -A seen
only_host_merged() {
	local others
	others=$(awk 'NF && $0 != "hh"' <<<"$merges" | sort | uniq -c | xargs)
	is "$2s $1 merged that must not be" "$others" ''
	seen[$1 $2]+=$merges
}

use_p2p
truncate --size=$length data
for event in backmerge frontmerge; do echo 1 >"$tracing/events/block/block_bio_$event/enable"; done
for level in linear 0 1 10 5; do
	say "$level"
	size=--size=8M
	[[ $level != linear && $level != 0 ]] || size=
	create md0 $level 'near0 near1 near2 near3' ${size:+"$size"}
	seed=0
	for how in system_call driver; do
		quietly p2pio write --memory host --seed $((++seed)) data
		mixed $how write
		# raid5 always writes from host memory.
		[[ $level == 5 ]] || only_host_merged $how write
		members_hold md0 $seed 0 $length
		mixed $how read
		only_host_merged $how read
	done
	remove md0
done
for io in 'system_call write' 'system_call read' 'driver write' 'driver read'; do
	[[ ${seen[$io]} ]] || fail "$io: nothing was merged at all, which proves nothing"
done
! dmesg | grep -i 'DMAR.*fault' || fail 'DMA went where it must not'
