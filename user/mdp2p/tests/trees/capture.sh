#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Captures the trees in this folder anew, or those that are named, each from a guest of its own:
#
#   user/mdp2p/tests/trees/capture.sh [NAME...]
#
# Then `git diff` is to be looked at: tests rely on what is in there. arrays.tree is written by
# hand.

set -euo pipefail
cd "$(readlink -f "$(dirname "$0")")"
trap 'rm --force ./*.new' EXIT

# By topology: the level of the array, and its members.
declare -A arrays=(
	[iommu]="1 near0 near1"
	[mixed]="0 near0 near1 other0"
	[paths]="1 near0 near1 twin1"
	[split]="10 near0 near1 near2 far0"
	[switch]="5 near0 near1 near2"
)

(($#)) || set -- "${!arrays[@]}"
for name in "$@"; do
	[[ -v arrays[$name] ]] || {
		echo "$0: no tree is captured of $name, only of ${!arrays[*]}" >&2
		exit 2
	}
done
for name in "$@"; do
	echo "$name" >&2
	read -ra array <<<"${arrays[$name]}"
	# What did not succeed replaces no tree.
	cargo vm run --topology "$name" --add capture.py --add ../../../../tests/scenarios/lib.bash \
		guest.sh "${array[@]}" >"$name.new"
	mv "$name.new" "$name.tree"
done
