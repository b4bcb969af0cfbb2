// SPDX-License-Identifier: GPL-2.0
/*
 * Asks a bio for its pages, if its flags do not answer. This is not inline,
 * because host-memory I/O would pay for the registers.
 *
 * Tests: the scenarios counters and merge.
 */
#include <linux/export.h>

#include "md_p2p_bio.h"

bool md_p2p_has_peer_pages(const struct bio *bio)
{
	return bio_has_data((struct bio *)bio) && !md_p2p_is_dmabuf(bio) &&
	       md_p2p_peer_page(bio);
}
EXPORT_SYMBOL_GPL(md_p2p_has_peer_pages);

/* Only the first page is still there. */
bool md_p2p_had_peer_pages(const struct bio *bio)
{
	return !(bio->bi_opf & MD_P2P_PAGELESS) &&
	       is_pci_p2pdma_page(bio->bi_io_vec->bv_page);
}
EXPORT_SYMBOL_GPL(md_p2p_had_peer_pages);
