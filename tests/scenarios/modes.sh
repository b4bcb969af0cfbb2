# Both mds work, whichever comes first.
# The md that is alone serves plain mdadm, and makes way for the other one.
# run: test
# topology: switch
# modules: p2p
# timeout: 120
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

theirs=(raid0 raid1 raid10 raid456)
ours=(linear-p2p raid0-p2p raid1-p2p raid10-p2p raid456-p2p)

mode() { echo "$(</sys/module/md_p2p/parameters/mode)"; }
is_mode() { [[ $(mode) == "$1" ]]; }

# owners: prints the names of mds that are taken. There is only one of each.
owners() {
	local name
	for name in /proc/mdstat /proc/mdstat-p2p /proc/sys/dev/raid /proc/sys/dev/raid-p2p /sys/module/md_mod; do
		[[ ! -e $name ]] || echo "$name"
	done
	{ grep -w 'md\|mdp\|mdp-p2p' /proc/devices || true; } | sed 's/^ *[0-9]* //' | sort
}
sole=$'/proc/mdstat\n/proc/sys/dev/raid\n/sys/module/md_mod\nmd\nmdp\nmdp-p2p'
both=$'/proc/mdstat\n/proc/mdstat-p2p\n/proc/sys/dev/raid\n/proc/sys/dev/raid-p2p\n/sys/module/md_mod\nmd\nmdp\nmdp\nmdp-p2p'

# plain_mdadm: makes, shows and stops an array of ours. Neither mdadm nor the kernel log says anything of md-mod.
plain_mdadm() {
	local log
	log=$(dmesg | wc -l)
	{
		mdadm --create /dev/md7 --run --metadata=1.2 --level=1 --raid-devices=2 --assume-clean \
			"$(disk near0)" "$(disk near1)"
		mdadm --detail /dev/md7
		mdadm --stop /dev/md7
	} >out 2>&1 || fail "$(<out)"
	is 'what mdadm says' "$(grep '^mdadm:' out)" $'mdadm: array /dev/md7 started.\nmdadm: stopped /dev/md7'
	! dmesg | tail -n +"$((log + 1))" | grep 'md_mod\|md-mod\|unsupported' >&2 || fail 'the kernel log is noisy'
	! grep -q '^md_mod ' /proc/modules || fail 'md-mod was loaded'
	mdadm --zero-superblock "$(disk near0)" "$(disk near1)"
}

without_udev
say 'md-p2p is alone'
modprobe md-p2p
is mode "$(mode)" sole
is names "$(owners)" "$sole"
plain_mdadm
# Before md8 is an array, mdadm knows it by its major.
echo md8 >/sys/module/md_mod/parameters/new_array
quietly mdadm --create /dev/md8 --run --level=1 --raid-devices=2 --assume-clean "$(disk near0)" "$(disk near1)"
remove md8

say "the kernel's md comes while an array of ours is at work"
quietly mdadm --create /dev/md127 --run --level=1 --raid-devices=2 --assume-clean "$(disk near2)" "$(disk near3)"
p2pio write --memory host --seed 1 --length 4M /dev/md127 >written &
modprobe -a "${theirs[@]}"
wait $! || fail 'the write was disturbed'
is mode "$(mode)" beside
is names "$(owners)" "$both"
quietly p2pio write --memory "$(bdf near2)" --seed 2 --offset 4M --length 1M /dev/md127
members_hold md127 1 0 $((4 * M))
members_hold md127 2 $((4 * M)) $M
is 'arrays of both' "$(grep -c '^md127 ' /proc/mdstat || true):$(grep -c '^md127 ' /proc/mdstat-p2p)" 0:1
quietly mdadm --create /dev/md0 --run --level=5 --raid-devices=2 --size=8M --assume-clean "$(disk near0)" "$(disk near1)"
is "the kernel's" "$(grep -c '^md0 ' /proc/mdstat):$(grep -c '^md0 ' /proc/mdstat-p2p || true)" 1:0

say 'a member is in an array of one md only'
refused 2 'busy' mdadm --create /dev/md9 --run --level=0 --raid-devices=2 --force "$(disk near2)" "$(disk near3)"
refused 2 'busy' mdp2p mdadm -- --create /dev/md9 --run --level=0 --raid-devices=2 --force "$(disk near0)" "$(disk near1)"

say "the kernel's md goes again"
remove md0
rmmod "${theirs[@]}" md_mod
until_true is_mode sole
is names "$(owners)" "$sole"
is 'our array' "$(grep -c '^md127 ' /proc/mdstat)" 1
members_hold md127 1 0 $((4 * M))
remove md127
plain_mdadm
modprobe -r raid1-p2p md-p2p

say 'modules in any order'
# All modules come in one order, and go in another. Each only needs its own md before it.
shuffled() { shuf -e "$@" --random-source=<(yes "$seed"); }
for seed in {1..3}; do
	for module in $(shuffled "${theirs[@]}" "${ours[@]}" md-mod md-p2p); do modprobe "$module"; done
	is mode "$(mode)" beside
	for module in $(shuffled "${theirs[@]}" "${ours[@]}"); do rmmod "$module"; done
	for module in $(shuffled md_mod md_p2p); do rmmod "$module"; done
	is names "$(owners)" ''
done

say 'both mds at the same time'
for round in {1..8}; do
	modprobe md-mod &
	first=$!
	modprobe md-p2p
	wait $first || fail "md-mod did not load in round $round"
	is "mode in round $round" "$(mode)" beside
	rmmod md_mod &
	rmmod md-p2p
	wait $! || fail "md-mod did not unload in round $round"
	is names "$(owners)" ''
	# One md comes while the other one goes.
	modprobe md-p2p
	rmmod md-p2p &
	modprobe md-mod || fail "md-mod did not load while md-p2p went, in round $round"
	wait $! || fail "md-p2p did not unload in round $round"
	rmmod md_mod &
	modprobe md-p2p
	wait $! || fail "md-mod did not unload while md-p2p came, in round $round"
	until_true is_mode sole
	is names "$(owners)" "$sole"
	rmmod md-p2p
done
