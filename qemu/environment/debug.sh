# SPDX-License-Identifier: GPL-2.0
#
# debug.sh SOURCE: builds the debug kernel from the archive SOURCE, with the configuration
# on standard input, and puts it where the others are. Runs in the environment; called
# again, it goes on where it stopped. Says the release in /usr/src/linux-debug/release.
set -eu
export LC_ALL=C
folder=/usr/src/linux-debug
build=$folder/build
mkdir -p "$build"
cat >"$folder/config"

# With the Address Sanitizer the kernel takes Rust with Clang only, both of one LLVM.
clang=clang-$(rustc --version --verbose | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
if ! command -v "$clang" >/dev/null; then
	apt-get update
	apt-get install -y --no-install-recommends "$clang"
	apt-get clean
fi

if [ ! -e "$folder/unpacked" ]; then
	rm -rf "$folder/source"
	mkdir "$folder/source"
	tar -C "$folder/source" --strip-components=1 -xf "$1"
	touch "$folder/unpacked"
fi

make() {
	nice make -C "$folder/source" O="$build" CC="$clang" HOSTCC=gcc-14 -j"$(nproc)" \
		KBUILD_BUILD_USER=md-p2p KBUILD_BUILD_HOST=md-p2p KBUILD_BUILD_TIMESTAMP=2000-01-01 "$@"
}

make KCONFIG_ALLCONFIG="$folder/config" allnoconfig
# What it says is off may also be unknown to this kernel; what it says is on must be on.
missing=$(sed -n '/^CONFIG_/p' "$folder/config" | grep -vxFf "$build/.config" || true)
present=$(sed -n 's/^# \(CONFIG_[A-Z0-9_]*\) is not set$/^\1=/p' "$folder/config" | grep -f - "$build/.config" || true)
if [ "$missing$present" ]; then
	printf 'This kernel does not take these lines of qemu/environment/debug.config:\n%s\n' "$missing"
	printf 'and has these that are to be off:\n%s\n' "$present"
	exit 1
fi
make bzImage modules
release=$(cat "$build/include/config/kernel.release")
modules=/usr/lib/modules/$release
make modules_install INSTALL_MOD_STRIP=1 INSTALL_MOD_PATH=/usr
cp "$build/arch/x86/boot/bzImage" "$modules/vmlinuz"
ln -sfn "$build" "$modules/build"
echo "$release" >"$folder/release"
