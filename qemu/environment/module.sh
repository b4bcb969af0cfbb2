# SPDX-License-Identifier: GPL-2.0
#
# module.sh RELEASE FOLDER: builds NAME.ko from each NAME.c in FOLDER for a kernel, with
# the compiler that built it. Runs in the environment.
set -eu
cd "$2"
build=/lib/modules/$1/build
clang=$(sed -n 's/^CONFIG_CC_VERSION_TEXT=".*clang version \([0-9]*\).*/clang-\1/p' "$build/.config")
for source in *.c; do echo "obj-m += ${source%.c}.o"; done >Makefile
make --no-print-directory -C "$build" M="$PWD" ${clang:+CC="$clang"} modules
