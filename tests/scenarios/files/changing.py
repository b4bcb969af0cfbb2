# SPDX-License-Identifier: GPL-2.0
"""changing.py TARGET BDF COUNT: writes peer memory of a device to TARGET, COUNT times 128 KiB in a row,
while another thread changes what is in that memory."""
import mmap, os, sys, threading

target, bdf, count = sys.argv[1:]
LENGTH = 128 << 10
memory = mmap.mmap(os.open(f"/sys/bus/pci/devices/{bdf}/p2pmem/allocate", os.O_RDWR), LENGTH)
disk = os.open(target, os.O_RDWR | os.O_DIRECT)
done = threading.Event()

def change():
    value = 0
    while not done.is_set():
        value += 1
        for at in range(0, LENGTH, 4096):
            memory[at : at + 8] = value.to_bytes(8, "little")

thread = threading.Thread(target=change)
thread.start()
try:
    for number in range(int(count)):
        assert os.pwritev(disk, [memory], number * LENGTH) == LENGTH
finally:
    done.set()
    thread.join()
