# Behind an IOMMU too, a member's queue never merges I/O from peer memory with a neighbour of another memory.
# topology: iommu
# modules: p2p
# add: merge.sh
# timeout: 120
#
# SPDX-License-Identifier: GPL-2.0
. ./merge.sh
