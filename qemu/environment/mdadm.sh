# SPDX-License-Identifier: GPL-2.0
#
# mdadm.sh: unpacks the source of the guests' mdadm for its tests, and builds the programs
# that they need beside it. Runs in the environment.
set -eu
export LC_ALL=C
folder=/usr/src/mdadm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# Debian's own release has sources of its own only here: apt elsewhere has no use for them.
mkdir -p lists/partial cache/archives/partial
cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
	sed -n '/backports/!s/^deb /deb-src /p' >sources.list
apt() {
	apt-get -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" "$@"
}
apt update
# As it was released: a mirror may lack Debian's part, in which no test is.
apt source --tar-only mdadm

version=$(dpkg-query --show --showformat='${source:Upstream-Version}' mdadm)
rm -rf "$folder"
mkdir "$folder"
tar --extract --file "$(echo mdadm_"$version".orig.tar.*)" --directory "$folder" --strip-components=1 --no-same-owner
# Release 4.4 forgot to include a header where nothing but these two needs it.
make -C "$folder" CC='gcc-14 -include ./xmalloc.h' CWFLAGS= raid6check test_stripe
