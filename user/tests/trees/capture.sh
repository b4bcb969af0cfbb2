# SPDX-License-Identifier: GPL-2.0
#
# Makes an array and prints the tree of this guest, between two lines. From the repository:
#
#   cargo vm run --topology split --add user/tests/trees/capture.py --add tests/scenarios/lib.bash \
#       user/tests/trees/capture.sh 10 near0 near1 near2 far0 |
#       sed '/^-- tree/d' >user/tests/trees/split.tree
. ./lib.bash
use_p2p
level=$1
shift
shape_of "$level"
create md0 "$level" "$*" "${shape[@]}"
quietly p2pio write --memory "$(bdf "$1")" --seed 1 --length 1M /dev/md0
mkdir -p /dev/md
ln -sf ../md0 /dev/md/data
echo '-- tree'
python3 capture.py
