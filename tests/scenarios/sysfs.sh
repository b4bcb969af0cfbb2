# Plain mdadm, udev and lsblk find nothing strange in an array of md-p2p.
# sysfs shows which member reaches which provider.
# run: soak
# topology: switch
# modules: p2p
# timeout: 90
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

providers() { awk '$4 != "-" { print $2 }' /run/vm/drives | sort; }

modprobe md-p2p
quietly mdadm --create /dev/md0 --run --level=5 --raid-devices=3 --size=8M \
	"$(disk near0)" "$(disk near1)" "$(disk near2)"
until_true is_whole md0
quietly udevadm settle

say 'state, counters and distances'
is p2pdma_state "$(counter md0 state)" staged
for file in /sys/block/md0/md/p2pdma_*; do
	is "${file##*/} through the class" "$(cat "/sys/class/block/md0/device/${file##*/}")" "$(cat "$file")"
	expected=0
	# mdadm makes a raid5 as a degraded one, and lets md rebuild its last member.
	[[ $file != *rebuild_host_bytes ]] || expected=$((8 * M))
	[[ $file != *_bytes && $file != *_ios ]] || is "${file##*/}" "$(cat "$file")" $expected
done
is 'number of p2pdma files' "$(printf '%s\n' /sys/block/md0/md/p2pdma_* | wc -l)" 17
is p2pdma_staging "$(counter md0 staging)" "$(providers | sed 's/$/ cpu/')"
is p2pdma_policy "$(counter md0 policy)" auto
is p2pdma_provider "$(counter md0 provider)" 'none (auto)'
is p2pdma_reason "$(counter md0 reason)" 'parity is computed from copies in the stripe cache'
for name in near0 near1 near2; do
	lines=$(cat "/sys/block/md0/md/dev-$(basename "$(disk $name)")/p2pdma_distance")
	is "providers that $name knows" "$(cut -d ' ' -f 1 <<<"$lines" | sort)" "$(providers)"
	is "distance of $name from itself" "$(sed -n "s/^$(bdf $name) //p" <<<"$lines")" 0
	# Up to the port's upstream bridge and down again.
	is "distances of $name from others" "$(grep -v "^$(bdf $name) " <<<"$lines" | cut -d ' ' -f 2 | uniq)" 4
done

say lsblk
is 'type of md0' "$(lsblk --noheadings --nodeps -o TYPE /dev/md0)" raid5
is 'parents of md0' "$(lsblk --noheadings --inverse --list -o TYPE /dev/md0 | sort | uniq -c | xargs)" '3 disk 1 raid5'
lsblk --json --output-all /dev/md0 | python3 -m json.tool >/dev/null

say udev
quietly udevadm info --attribute-walk /dev/md0
properties=$(udevadm info --query=property /dev/md0)
for property in DEVTYPE=disk MD_LEVEL=raid5 MD_DEVICES=3 MD_METADATA=1.2; do
	grep -qx $property <<<"$properties" || fail "udev does not know $property: $properties"
done
uuid=$(sed -n 's/^MD_UUID=//p' <<<"$properties")
is 'link by uuid' "$(readlink -f "/dev/disk/by-id/md-uuid-$uuid")" /dev/md0

say mdadm
is 'level, says mdadm' "$(mdadm --detail /dev/md0 | awk '/Raid Level/ { print $4 }')" raid5
is 'state, says mdadm' "$(mdadm --detail /dev/md0 | awk '/State :/ { print $3 }')" clean
mdadm --examine "$(disk near1)" | grep 'Array State : AAA ' >/dev/null || fail "$(mdadm --examine "$(disk near1)")"
is 'arrays that a scan finds' "$(mdadm --detail --scan | grep -c 'ARRAY /dev/md')" 1
quietly mdadm --stop /dev/md0
quietly mdadm --assemble --scan --config=partitions
is 'members after assembling by scan' "$(cat /sys/block/md*/md/raid_disks)" 3

say 'an array by name'
quietly mdadm --stop --scan
quietly mdadm --create /dev/md/name --run --level=0 --raid-devices=2 "$(disk near0)" "$(disk near3)"
quietly udevadm settle
[[ -b /dev/md/name ]] || fail 'udev has made no /dev/md/name'
quietly p2pio write --memory "$(bdf near1)" --length 1M --seed 1 /dev/md/name
is 'bytes written direct' "$(cat /sys/class/block/"$(basename "$(readlink -f /dev/md/name)")"/device/p2pdma_write_direct_bytes)" $M
