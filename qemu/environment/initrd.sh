# SPDX-License-Identifier: GPL-2.0
#
# initrd.sh RELEASE: makes the initramfs that mounts the guest's root; its program
# comes on standard input. Runs in the environment.
set -eu
modules=/usr/lib/modules/$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir bin dev proc lower job memory root modules
cp /usr/bin/busybox bin
cat >init
chmod 755 init

# In the order in which they are to be loaded.
for module in 9pnet_virtio 9p overlay nvme virtio_blk; do
	modprobe --set-version "$1" --show-depends $module
done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' | while read -r file; do
	name=$(basename "$file" .xz)
	xz --decompress --stdout "$file" >"modules/$name"
	echo "/modules/$name" >>order
done
find . | cpio --quiet --create --format=newc >"$modules/initrd.new"
chmod 644 "$modules/initrd.new"
mv "$modules/initrd.new" "$modules/initrd"
