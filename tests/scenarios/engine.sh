# A DMA engine that reaches the provider copies what is staged, at each level, and no CPU does, by QEMU's count.
# It is found, named and counted, given up when it is not wanted, and given back when it goes.
# run: test
# topology: engine
# modules: p2p
# build: edu.c
# timeout: 300
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

readonly start=$((12 * K)) length=$((32 * K))
area=(--offset "$start" --length "$length" --block-size 16K /dev/md0)

# copier: prints who copies from and to the memory of near0.
copier() { counter md0 staging | sed -n "s/^$near0 //p"; }
copies() { [[ $(copier) == "$1" ]]; }

# engines DRIVERS: whose engines may copy.
engines() { echo "$1" >/sys/module/md_p2p/parameters/p2pdma_engines; }

# io VERB DIRECTION SEED: does one pass, and sets staged and by_engine to the bytes that were counted.
io() {
	local before_staged before_engine
	before_staged=$(counter md0 "$2_staged_bytes") before_engine=$(counter md0 staged_engine_bytes)
	watching near0 p2pio "$1" --memory "$near0" --seed "$3" "${area[@]}"
	staged=$(($(counter md0 "$2_staged_bytes") - before_staged))
	by_engine=$(($(counter md0 staged_engine_bytes) - before_engine))
	say "$1: staged $staged, by the engine $by_engine; the CPU read $loads and wrote $stores"
}

near0=$(bdf near0) engine=$(vmctl where engine0)
free=$(pools)
modprobe md-p2p p2pdma_engines=edu
without_udev
quietly insmod edu.ko
is 'engines in use' "$(cat /sys/class/dma/dma*chan*/in_use)" 0

seed=0
for level in linear 0 1 10 4 5 6; do
	shape_of $level
	create md0 $level 'far0 near1 near2 near0' "${shape[@]}"
	is 'who copies' "$(copier)" "$(basename /sys/class/dma/dma*chan*) $engine"
	is 'who copies elsewhere' "$(counter md0 staging | grep -v "^$near0 \|^$(bdf near1) \|^$(bdf near2) ")" "$(bdf far0) cpu"
	for who in edu none; do
		say "$level, $who"
		engines $who
		until_true copies "$([[ $who == none ]] && echo cpu || echo "$(basename /sys/class/dma/dma*chan*) $engine")"
		seed=$((seed + 1))
		io write write $seed
		members_hold md0 $seed $start $length
		((staged > 0)) || fail 'nothing was staged'
		is 'bytes by the engine' $by_engine "$([[ $who == none ]] && echo 0 || echo $staged)"
		# The CPU reads a word of each bio more, to see whether the provider is there.
		if [[ $who == none ]]; then
			is_about 'bytes that the CPU read' "$loads" $((staged + 8)) $((staged + 64))
		else
			is 'bytes that the CPU read' "$loads" 0
		fi
		io check read $seed
		is 'bytes by the engine' $by_engine "$([[ $who == none ]] && echo 0 || echo $staged)"
	done
	engines edu
	until_true copies "$(basename /sys/class/dma/dma*chan*) $engine"
	is 'peer I/O refused' "$(counter md0 refused_ios)" 0
	remove md0
	is 'engines in use' "$(cat /sys/class/dma/dma*chan*/in_use)" 0
done
quietly rmmod edu
is 'free peer memory' "$(pools)" "$free"
