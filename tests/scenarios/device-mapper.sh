# Above an array, device-mapper refuses peer memory of applications, and changes nothing then. A driver's bios
# go through a linear volume as they go through the array, and through dm-crypt with the right data.
# run: soak
# topology: switch
# modules: p2p
# build: bvec.c
# timeout: 240
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

length=$((16 * 4 * K))

# above TABLE...: makes a volume of a target and what follows its length, and sets volume to its path.
above() {
	quietly dmsetup create --noudevsync above --table "0 $(blockdev --getsz /dev/md0) $*"
	volume=/dev/$(dmsetup info --columns --noheadings --options blkdevname above)
}

# by_driver write|read: a driver moves the data between near1's memory and the volume.
by_driver() {
	local write=0
	[[ $1 == read ]] || write=1
	quietly insmod bvec.ko target="$volume" write=$write file="$PWD/data" order=a providers="$(bdf near1)"
	rmmod bvec
}

# applications_are_refused: what an application asks for ends with EREMOTEIO, and the volume is as it was.
applications_are_refused() {
	local before
	before=$(head --bytes=$M "$volume" | sha256sum)
	refused 3 'Remote I/O error' p2pio write --memory "$(bdf near1)" --seed 9 --length $length "$volume"
	refused 3 'Remote I/O error' p2pio read --memory "$(bdf near1)" --length $length "$volume"
	is 'the volume after a refusal' "$(head --bytes=$M "$volume" | sha256sum)" "$before"
}

use_p2p
free=$(pools)
modprobe dm-crypt || skip 'this kernel has no dm-crypt'
truncate --size=$length data
quietly p2pio write --memory host --seed 1 --length $length data
for level in 0 1 5; do
	say "linear volume on $level"
	shape_of $level
	create md0 $level 'near0 near1 near2 near3' "${shape[@]}"
	above linear /dev/md0 0
	applications_are_refused
	by_driver write
	members_hold md0 1 0 $length
	[[ $level == 5 ]] || is 'bytes written directly' "$(counter md0 write_direct_bytes)" $length
	by_driver read
	is 'bytes read directly' "$(counter md0 read_direct_bytes)" $length
	is 'bytes of both ways' "$(($(counter md0 write_direct_bytes) + $(counter md0 write_staged_bytes)))" $length
	quietly dmsetup remove --noudevsync above

	say "dm-crypt on $level"
	above crypt aes-xts-plain64 "$(printf '5a%.0s' {1..64})" 0 /dev/md0 0
	applications_are_refused
	by_driver write
	is 'clear text' "$(head --bytes=$length "$volume" | sha256sum)" "$(sha256sum <data)"
	by_driver read
	is 'bytes written from peer memory' "$(($(counter md0 write_direct_bytes) + $(counter md0 write_staged_bytes)))" $length
	quietly dmsetup remove --noudevsync above
	remove md0
done
is 'free peer memory' "$(pools)" "$free"
