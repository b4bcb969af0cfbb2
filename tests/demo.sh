# For each level: makes an array with plain mdadm, moves data between it and peer memory, and shows what the members hold
# and whose memory the drives touched. Runs in the guest: make demo.
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

readonly size=1M
area=(--length $size --block-size 64K /dev/md0)
table=

# shown COMMAND...: as a person would type it.
shown() {
	echo "  # $*"
	quietly "$@"
}

# row WORD...: a line of the table that comes last.
row() { table+=$(printf '%-7s %-7s %10s %10s %10s %10s %10s' "$@")$'\n'; }

# in_k BYTES
in_k() { echo "$(($1 / K)) KiB"; }

use_p2p
provider=$(bdf near0)
free=$(pools)
echo "Kernel $(uname -r), four NVMe drives behind one PCIe switch; peer memory is that of $provider."
echo "md-p2p was made from $(cat /sys/module/md_p2p/parameters/md_source)."

disks=()
for name in near0 near1 near2 near3; do disks+=("$(disk $name)"); done
for level in linear 0 1 10 4 5 6; do
	echo
	[[ $level == linear ]] && echo linear || echo "raid$level"
	shown mdadm --create /dev/md0 --run --metadata=1.2 --bitmap=none --assume-clean \
		--level=$level --raid-devices=4 "${disks[@]}"
	# Parity that nobody has computed yet would be wrong where nothing is written.
	if redundant md0; then
		echo repair >/sys/block/md0/md/sync_action
		until_true is_whole md0
	fi

	echo "  # p2pio write --memory $provider ${area[*]}"
	dma p2pio write --memory "$provider" --seed 1 "${area[@]}"
	written_peer=$peer written_ram=$ram
	members_hold md0 1 0 $M
	echo '    The members hold it where the level puts it, read back through host memory.'

	echo "  # p2pio check --memory $provider ${area[*]}"
	dma p2pio check --memory "$provider" --seed 1 "${area[@]}"
	echo '    The array gives it back into peer memory, every byte as it was.'
	head -v -n 1 /sys/class/block/md0/device/p2pdma_{read,write}_{direct,staged}_bytes |
		awk '/^==>/ { n = split($2, part, "/"); name = part[n] } /^[0-9]/ { printf "    %-27s %s\n", name, $1 }'

	is 'bytes counted as written' $(($(counter md0 write_direct_bytes) + $(counter md0 write_staged_bytes))) $M
	is 'bytes counted as read' $(($(counter md0 read_direct_bytes) + $(counter md0 read_staged_bytes))) $M
	is 'DMA into peer memory while reading' "$peer" "$(counter md0 read_direct_bytes)"
	row "$level" "$(counter md0 state)" \
		"$(in_k "$(counter md0 write_direct_bytes)")" "$(in_k "$written_peer")" "$(in_k "$written_ram")" \
		"$(in_k "$(counter md0 read_direct_bytes)")" "$(in_k "$peer")"
	! redundant md0 || parity_is_right md0
	remove md0
done
is 'free peer memory' "$(pools)" "$free"

echo
echo "1024 KiB written from peer memory and read back into it. Counted: p2pdma_*_direct_bytes."
echo "Seen: the DMA addresses in QEMU's trace; host memory (RAM) with the superblocks' share."
echo
printf '%-7s %-7s %10s %10s %10s %10s %10s\n' '' '' written written written read read \
	level state counted 'seen peer' 'seen RAM' counted 'seen peer'
printf %s "$table"
echo
echo 'All members hold what was written, parity is right, and no peer memory is lost.'
