# A file on ext4 or XFS on an array can be written from peer memory and read into it, like any other file.
# run: soak
# topology: switch
# modules: p2p
# timeout: 180
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

length=$((6 * M))

make_filesystem() {
	case $1 in
	ext4) quietly mkfs.ext4 -q -F /dev/md0 ;;
	# xfs this small is for tests only.
	xfs) quietly mkfs.xfs -q -f --unsupported /dev/md0 ;;
	esac
}

check_filesystem() {
	case $1 in
	ext4) quietly e2fsck -f -n /dev/md0 ;;
	xfs) quietly xfs_repair -n /dev/md0 ;;
	esac
}

# through_cache FILE, through_peer FILE: print the checksum of a file that the page cache or peer memory reads.
through_cache() { sha256sum "$1" | cut -d ' ' -f 1; }
through_peer() { p2pio read --memory "$provider" "$1" | sed 's/.* sha256 //'; }

# written: prints the bytes written from peer memory so far.
written() { echo $(($(counter md0 write_direct_bytes) + $(counter md0 write_staged_bytes))); }

use_p2p
provider=$(bdf near1)
free=$(pools)
mkdir /tmp/fs
for level in 1 5; do
	create md0 $level 'near0 near1 near2 near3' --size=48M --assume-clean
	for type in ext4 xfs; do
		say "$type on raid$level"
		make_filesystem $type
		quietly mount -t $type /dev/md0 /tmp/fs
		for file in peer host; do fallocate --length $length /tmp/fs/$file; done
		before=$(written)
		quietly p2pio write --memory "$provider" --seed 1 --block-size 68K /tmp/fs/peer
		is 'bytes written from peer memory' $(($(written) - before)) $length
		quietly p2pio write --memory host --seed 2 /tmp/fs/host
		quietly umount /tmp/fs
		check_filesystem $type

		quietly mount -t $type /dev/md0 /tmp/fs
		quietly p2pio check --memory host --seed 1 /tmp/fs/peer
		quietly p2pio check --memory "$provider" --seed 2 /tmp/fs/host
		quietly p2pio copy --memory "$provider" /tmp/fs/peer --to /tmp/fs/host
		is 'checksum of the copy' "$(through_cache /tmp/fs/host)" "$(through_peer /tmp/fs/peer)"
		quietly umount /tmp/fs
	done
	remove md0
done
is 'free peer memory' "$(pools)" "$free"
