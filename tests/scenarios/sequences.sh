# Whatever happens, in whatever order, no write that was flushed is lost, and members in sync are equal.
# run: test
# topology: split
# modules: p2p
# build: faulty.c
# seed: yes
# timeout: 480
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

# Arguments: a seed, which chooses sequences; or numbers of sequences, A..B.
case ${1:-1} in
*..*) chosen=("$@") ;;
*)
	seed=${1:-1}
	count=$(sequences --count)
	# These once failed.
	chosen=(4481 4625)
	for ((i = 0; i < 30; i++)); do chosen+=("$(((seed * 7919 + i * 191) % count))"); done
	;;
esac

use_p2p
provider=$(bdf near2)
quietly insmod faulty.ko drives="$(disk near0),$(disk near1),$(disk far0)" count=6 size=4 cached=1 provider="$provider"
sequences --provider "$provider" "${chosen[@]}" || fail 'some sequences are not ok'
rmmod faulty
