# An application may change its memory while it is being written.
# Every mirror and the parity still hold one and the same version.
# run: soak
# topology: split
# parallel: yes
# modules: p2p
# add: changing.py
# timeout: 150
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

use_p2p
provider=$(bdf near1)
for level in 1 10 5; do
	say "$level"
	shape_of $level
	create md0 $level 'near0 near2 far0' "${shape[@]}"
	quietly python3 changing.py /dev/md0 "$provider" 60
	is 'bytes written staged' "$(counter md0 write_staged_bytes)" $((60 * 128 * K))
	parity_is_right md0
	remove md0
done
