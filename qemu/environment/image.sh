# SPDX-License-Identifier: GPL-2.0
#
# image.sh RELEASE PACKAGE...: unpacks the packages of a kernel image, without what
# their installation would bring (an initramfs maker, a boot loader). Runs in the
# environment.
set -eu
release=$1
shift
modules=/usr/lib/modules/$release
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download "$@"
for package in *.deb; do
	dpkg-deb --extract "$package" unpacked
done

# The guest has no sound card: most drivers would only make depmod slow.
cd unpacked/usr/lib/modules/"$release"
mkdir all
mv kernel/* all
for folder in arch block crypto fs lib mm virt net/9p \
	drivers/block drivers/char drivers/dma drivers/iommu drivers/md \
	drivers/nvme drivers/nvdimm drivers/pci drivers/scsi drivers/virtio; do
	[ -e all/$folder ] || continue
	mkdir -p kernel/$folder
	cp -a all/$folder/. kernel/$folder
done
rm -rf all "$modules/kernel"
cp -a . "$modules"
depmod "$release"
