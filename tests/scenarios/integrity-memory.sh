# A write whose protection information is in peer memory is refused, wherever its data are, because nobody
# can say who reaches that memory.
# run: soak
# topology: protected
# modules: p2p
# add: pi.py
# timeout: 180
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

length=$((32 * K))

use_p2p
for name in near0 near1 near2 far0; do
	quietly p2pio write --memory host --seed 8 --block-size 512K "$(disk $name)"
done
truncate --size=$length data
quietly p2pio write --memory host --seed 1 data
python3 pi.py make data >tuples
for level in 1 10; do
	for members in 'near0 near1' 'near0 far0'; do
		create md0 $level "$members" --size=8M --bitmap=none
		quietly p2pio write --memory host --seed 9 --length $length /dev/md0
		for memory in host "$(bdf near2)" "$(bdf far0)"; do
			for information in "$(bdf near2)" "$(bdf far0)"; do
				say "$level of $members: data in $memory, their information in $information"
				refused_before=$(counter md0 refused_ios)
				! python3 pi.py write /dev/md0 0 data tuples "$memory" "$information" 2>/dev/null ||
					fail 'it was not refused'
				(($(counter md0 refused_ios) > refused_before)) || fail 'it failed before it was refused'
				members_hold md0 9 0 $length
				is degraded "$(attr md0 degraded)" 0
			done
		done
		parity_is_right md0
		remove md0
	done
done
