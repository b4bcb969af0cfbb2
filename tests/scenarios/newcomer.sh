# A write from a provider that has come a moment ago, and is not known yet, is copied.
# An unknown provider is not taken for one that has gone.
# run: test
# topology: switch
# modules: p2p
# timeout: 90
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

# newcomer.py BDF FILE TARGET: binds the driver, and at once writes what is in the file from the memory that comes
# with it.
cat >newcomer.py <<'END'
import mmap, os, sys

bdf, file, target = sys.argv[1:]
data = open(file, "rb").read()
disk = os.open(target, os.O_RDWR | os.O_DIRECT)
with open("/sys/bus/pci/drivers/nvme/bind", "w") as bind:
    bind.write(bdf)
pool = os.open(f"/sys/bus/pci/devices/{bdf}/p2pmem/allocate", os.O_RDWR)
memory = mmap.mmap(pool, len(data))
memory[:] = data
assert os.pwrite(disk, memory, 0) == len(data)
END

use_p2p
provider=$(bdf near3)
create md0 1 'near0 near1' --size=8M
truncate --size=4K data
staged=0
for ((seed = 1; seed <= 8 && staged == 0; seed++)); do
	quietly p2pio write --memory host --seed $seed data
	echo "$provider" >/sys/bus/pci/drivers/nvme/unbind
	quietly python3 newcomer.py "$provider" data /dev/md0
	members_match md0 data 0 $((4 * K))
	staged=$(counter md0 write_staged_bytes)
	is 'bytes written' $((staged + $(counter md0 write_direct_bytes))) $((seed * 4 * K))
done
((staged > 0)) || fail 'the provider was known each time, which proves nothing'
remove md0
