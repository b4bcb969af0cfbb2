# SPDX-License-Identifier: GPL-2.0
#
# base.sh ROOT: unpacks the archive on standard input as the root folder of the
# environment. Runs outside of it.
set -eu
rm -rf --one-file-system "$1"
mkdir -m 755 "$1"
# Device nodes are not for everyone to make; /dev is this machine's own.
tar --extract --directory "$1" --numeric-owner --xattrs --exclude='./dev/*'
cd "$1"
mkdir -p md-p2p
chmod a+rx root
rm -f etc/resolv.conf
touch etc/resolv.conf etc/hosts
