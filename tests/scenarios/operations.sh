# Flushes, FUA, NOWAIT, io_uring, atomic writes, discard and zeroing end as they do with host memory, and
# leave the same data.
# run: soak
# topology: split
# modules: p2p
# timeout: 300
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

readonly part=$((64 * K))
readonly length=$((11 * part))
tracing=/sys/kernel/tracing

# operations.py TARGET FILE host|BDF: writes what is in the file, each part of it with another operation, reads it with
# several operations, and prints the result of each. A part whose write fails is then written plainly.
cat >operations.py <<'END'
import errno, mmap, os, sys

target, file, bdf = sys.argv[1:]
data = open(file, "rb").read()
PART, ATOMIC = 64 << 10, 0x40
if bdf == "host":
    memory = mmap.mmap(-1, PART)
else:
    memory = mmap.mmap(os.open(f"/sys/bus/pci/devices/{bdf}/p2pmem/allocate", os.O_RDWR), PART)
view = memoryview(memory)
disks = {flags: os.open(target, os.O_RDWR | os.O_DIRECT | flags) for flags in (0, os.O_SYNC, os.O_DSYNC)}
plain = disks[0]

def attempt(name, operation, *arguments):
    try:
        result = operation(*arguments)
    except OSError as error:
        result = errno.errorcode[error.errno]
    print(name, result)
    return isinstance(result, int)

def write(at, disk=plain, flags=0, length=PART):
    memory[:] = data[at : at + PART]
    done = os.pwritev(disk, [view[:length]], at, flags)
    if length < PART:
        os.pwritev(plain, [view[length:]], at + length)
    return done

def read(at, flags=0):
    memory[:] = bytes(PART)
    done = os.preadv(plain, [view], at, flags)
    if memory[:done] != data[at : at + done]:
        return -1
    return done

ways = [
    ("plain",),
    ("O_SYNC", disks[os.O_SYNC]),
    ("O_DSYNC", disks[os.O_DSYNC]),
    ("RWF_SYNC", plain, os.RWF_SYNC),
    ("RWF_DSYNC", plain, os.RWF_DSYNC),
    ("RWF_HIPRI", plain, os.RWF_HIPRI),
    ("RWF_NOWAIT", plain, os.RWF_NOWAIT),
    ("RWF_NOWAIT|RWF_DSYNC", plain, os.RWF_NOWAIT | os.RWF_DSYNC),
    ("RWF_ATOMIC, a sector", plain, ATOMIC, 512),
    ("RWF_ATOMIC, 4K", plain, ATOMIC, 4096),
    ("RWF_ATOMIC, all", plain, ATOMIC),
]
places = range(0, len(data), PART)
for at, (name, *arguments) in zip(places, ways):
    attempt(f"write {name}", write, at, *arguments) or write(at)
os.fsync(plain)
for at in places:
    for flags in 0, os.RWF_HIPRI, os.RWF_NOWAIT:
        attempt(f"read {flags}", read, at, flags)
END

# operate MEMORY: prints the results, the blocks of each member that were written with FUA, and how often each member
# was flushed. MD writes no superblock meanwhile.
operate() {
	quietly p2pio write --memory host --seed 9 --length $length /dev/md0
	echo >$tracing/trace
	python3 operations.py /dev/md0 data "$1"
	awk '/block_rq_issue/ {
			sub(/.*block_rq_issue: /, "")
			if ($2 ~ /^FF/) flush[$1]++
			else if ($2 ~ /W.*F/) for (i = 0; i < $7; i += 8) fua[$1 " " $5 + i]
		}
		END {
			for (one in flush) print "flushes of", one, flush[one]
			for (one in fua) print "FUA", one
		}' $tracing/trace | sort
}

# uring host|BDF [OPTION...]: fio writes through io_uring, or only verifies.
uring() {
	local memory=malloc
	[[ $1 == host ]] || memory=mmapshared:/sys/bus/pci/devices/$1/p2pmem/allocate
	quietly fio --name=uring --filename=/dev/md0 --offset=$M --size=$M --bsrange=4k-64k --rw=randwrite \
		--ioengine=io_uring --direct=1 --iodepth=8 --iomem="$memory" --verify=crc32c --verify_fatal=1 "${@:2}"
}

# discards_and_zeroes NAME: discards or zeroes parts of what the drive's memory wrote. The rest stays.
discards_and_zeroes() {
	cp data expected
	quietly p2pio write --memory "$(bdf "$1")" --seed 1 --length $length /dev/md0
	quietly blkdiscard --zeroout --offset $((2 * part)) --length $((3 * part)) /dev/md0
	dd if=/dev/zero of=expected bs=$part seek=2 count=3 conv=notrunc status=none
	# raid5 discards nothing unless it is told to, and reports success.
	blkdiscard --offset $((7 * part)) --length $((3 * part)) /dev/md0 || [[ $level == 5 ]]
	[[ $level == 5 ]] || dd if=/dev/zero of=expected bs=$part seek=7 count=3 conv=notrunc status=none
	for memory in "$(bdf "$1")" host; do
		quietly p2pio read --memory "$memory" --length $length --output found /dev/md0
		cmp found expected || fail "read into $memory"
	done
}

use_p2p
free=$(pools)
truncate --size=$length data
quietly p2pio write --memory host --seed 1 data
echo 1 >$tracing/events/block/block_rq_issue/enable
for level in 0 1 10 5; do
	options=(--bitmap=none)
	[[ $level == 0 ]] || options+=(--size=8M)
	[[ $level == 1 ]] || options+=(--chunk=64)
	for members in 'near0 near1 near2' 'near0 near1 near2 far0'; do
		create md0 $level "$members" "${options[@]}"
		! redundant md0 || echo 0 >/sys/block/md0/md/safe_mode_delay
		operate host >as-host
		grep -q FUA as-host || fail "no FUA was seen at all: $(cat as-host)"
		for name in near1 far0; do
			say "$level of $members, memory of $name"
			operate "$(bdf $name)" >as-peer
			diff as-host as-peer || fail 'it ends otherwise than from host memory'
			members_hold md0 1 0 $length

			uring "$(bdf $name)" --do_verify=0
			uring host --verify_only
			uring "$(bdf $name)" --verify_only
			discards_and_zeroes $name
		done
		is 'peer I/O refused' "$(counter md0 refused_ios)" 0
		! redundant md0 || parity_is_right md0
		remove md0
	done
done
is 'free peer memory' "$(pools)" "$free"
