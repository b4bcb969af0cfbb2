# SPDX-License-Identifier: GPL-2.0
"""pi.py make FILE: prints the protection information (T10 PI, type 1) of what is in the file.
pi.py write|read TARGET OFFSET FILE TUPLES DATA INFORMATION: does one I/O through io_uring with protection
information of its own. It writes what is in the two files, or compares what it reads with them. DATA and
INFORMATION say whose memory holds the two: host, or a PCI address."""
import ctypes, errno, mmap, os, struct, sys

BLOCK, POLYNOMIAL = 512, 0x8BB7
IO_URING_SETUP, IO_URING_ENTER, GETEVENTS, SQES = 425, 426, 1, 0x10000000
READ, WRITE, ATTRIBUTE_PI, CHECK_GUARD_AND_REFERENCE = 22, 23, 1, 3
libc = ctypes.CDLL(None, use_errno=True)

def contents(path):
    with open(path, "rb") as file:
        return file.read()

def guard_table():
    for byte in range(256):
        guard = byte << 8
        for _ in range(8):
            guard = guard << 1 ^ (POLYNOMIAL if guard & 0x8000 else 0)
        yield guard & 0xFFFF

def tuples(data):
    table = list(guard_table())
    for at in range(0, len(data), BLOCK):
        guard = 0
        for byte in data[at : at + BLOCK]:
            guard = (guard << 8 ^ table[guard >> 8 ^ byte]) & 0xFFFF
        yield struct.pack(">HHI", guard, 0, at // BLOCK)

def call(number, *arguments):
    result = libc.syscall(number, *arguments)
    assert result >= 0, os.strerror(ctypes.get_errno())
    return result

def memory(kind, length):
    length += -length % mmap.PAGESIZE
    if kind == "host":
        return mmap.mmap(-1, length)
    return mmap.mmap(os.open(f"/sys/bus/pci/devices/{kind}/p2pmem/allocate", os.O_RDWR), length)

def address(buffer):
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))

def transfer(operation, disk, offset, data, length, information, information_length):
    parameters = ctypes.create_string_buffer(120)
    ring = call(IO_URING_SETUP, 1, parameters)
    sq_entries, cq_entries = struct.unpack_from("<2I", parameters)
    _, sq_tail, _, _, _, _, sq_array = struct.unpack_from("<7I", parameters, 40)
    _, _, _, _, _, cqes = struct.unpack_from("<6I", parameters, 80)
    rings = mmap.mmap(ring, max(sq_array + 4 * sq_entries, cqes + 16 * cq_entries))
    entries = mmap.mmap(ring, 64 * sq_entries, offset=SQES)
    # Reference tags count from 0. The block layer turns them into those of the drive.
    attribute = struct.pack("<HHIQQQ", CHECK_GUARD_AND_REFERENCE, 0, information_length, address(information), 0, 0)
    attribute = ctypes.create_string_buffer(attribute, len(attribute))
    entries[:64] = struct.pack(
        "<BBHiQQIIQHHIQQ", operation, 0, 0, disk, offset, address(data), length,
        0, 0, 0, 0, 0, ctypes.addressof(attribute), ATTRIBUTE_PI,
    )
    struct.pack_into("<I", rings, sq_array, 0)
    struct.pack_into("<I", rings, sq_tail, 1)
    call(IO_URING_ENTER, ring, 1, 1, GETEVENTS, None, 0)
    return struct.unpack_from("<Qi", rings, cqes)[1]

def main(verb, *arguments):
    if verb == "make":
        sys.stdout.buffer.write(b"".join(tuples(contents(arguments[0]))))
        return
    target, offset, *files, data_kind, information_kind = arguments
    data, information = map(contents, files)
    buffer, tags = memory(data_kind, len(data)), memory(information_kind, len(information))
    if verb == "write":
        buffer[: len(data)], tags[: len(information)] = data, information
    disk = os.open(target, os.O_RDWR | os.O_DIRECT)
    operation = WRITE if verb == "write" else READ
    done = transfer(operation, disk, int(offset), buffer, len(data), tags, len(information))
    if done != len(data):
        sys.exit(f"{verb}: {errno.errorcode.get(-done, done)}")
    # What is written is left as the drive got it, with the drive's own reference tags.
    if verb == "write":
        return
    assert buffer[: len(data)] == data, "other data"
    assert tags[: len(information)] == information, "other protection information"

main(*sys.argv[1:])
