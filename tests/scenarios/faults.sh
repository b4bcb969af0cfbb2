# Whatever fails, at any level and in any state of the array, the data are right or the I/O ends with an error.
# Members stay equal, and no member is blamed.
# run: test
# topology: switch
# modules: p2p
# build: faulty.c softdma.c
# seed: yes
# timeout: 480
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

# Arguments: a seed, which chooses cases that have every pair of factors; or numbers of cases, A..B.
case ${1:-1} in
*..*) chosen=("$@") ;;
*) chosen=(--seed "${1:-1}") ;;
esac

use_p2p
quietly insmod softdma.ko device="$(bdf near3)"
provider=$(bdf near2)
quietly insmod faulty.ko drives="$(disk near0),$(disk near1),$(disk near3)" count=6 provider="$provider"
faults --provider "$provider" "${chosen[@]}" || fail 'some cases are not ok'
rmmod faulty softdma
