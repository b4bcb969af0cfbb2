# A member's queue never merges I/O from peer memory with I/O from host memory, however close they come.
# topology: switch
# modules: p2p
# timeout: 90
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

length=$((128 * K))
tracing=/sys/kernel/tracing

# mixed.py write|read TARGET FILE BDF: 4K by 4K in one system call (io_submit), with host memory
# and peer memory in turn: neighbours that the kernel would merge. Writes what is in the file,
# or compares what it reads with that.
cat >mixed.py <<'END'
import ctypes, mmap, os, struct, sys

verb, target, file, bdf = sys.argv[1:]
data = open(file, "rb").read()
writes = verb == "write"
kinds = [
    mmap.mmap(-1, len(data)),
    mmap.mmap(os.open(f"/sys/bus/pci/devices/{bdf}/p2pmem/allocate", os.O_RDWR), len(data)),
]
libc = ctypes.CDLL(None, use_errno=True)
IO_SETUP, IO_GETEVENTS, IO_SUBMIT, PREAD, PWRITE = 206, 208, 209, 0, 1
BLOCK = 4096

def call(number, *arguments):
    result = libc.syscall(number, *arguments)
    assert result >= 0, os.strerror(ctypes.get_errno())
    return result

disk = os.open(target, os.O_RDWR | os.O_DIRECT)
places = [(kinds[at // BLOCK % 2], at) for at in range(0, len(data), BLOCK)]
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

# mixed write|read, and what was merged meanwhile.
mixed() {
	echo >$tracing/trace
	quietly python3 mixed.py "$1" /dev/md0 data "$(bdf near0)"
	merges=$(grep -c 'block_bio_.*merge' $tracing/trace || true)
}

use_p2p
truncate --size=$length data
quietly p2pio write --memory host --seed 1 data
for event in backmerge frontmerge; do echo 1 >"$tracing/events/block/block_bio_$event/enable"; done
for level in linear 0 1 10 5; do
	say "$level"
	size=--size=8M
	[[ $level != linear && $level != 0 ]] || size=
	create md0 $level 'near0 near1 near2 near3' ${size:+"$size"}
	mixed write
	# raid5 writes from host memory, whatever it was given.
	[[ $level == 5 ]] || is 'writes merged' "$merges" 0
	members_hold md0 1 0 $length
	mixed read
	is 'reads merged' "$merges" 0
	remove md0
done
