/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a bio says of its pages. This header needs no other one of md-p2p, and
 * none of MD.
 */
#ifndef MD_P2P_BIO_H
#define MD_P2P_BIO_H

#include <linux/bio.h>
#include <linux/bio-integrity.h>
#include <linux/io.h>
#include <linux/memremap.h>

/*
 * In the array's queue, this flag marks a clone with host pages. The
 * application's cgroup has paid in this queue already.
 */
#define MD_P2P_STAGED_CLONE	REQ_DRV

/*
 * The data of such a bio are a dma-buf: it has no pages that anybody may look
 * at. MD_P2P_DMABUF is the flag that marks it; kbuild/Kbuild sets it if the
 * kernel has such bios.
 */
static inline bool md_p2p_is_dmabuf(const struct bio *bio)
{
#ifdef MD_P2P_DMABUF
	return bio->bi_opf & MD_P2P_DMABUF;
#else
	return false;
#endif
}

/*
 * Asks the first page, which speaks for all: since 6.17 the block layer never
 * mixes pages of two kinds or of two providers in one bio.
 */
static inline bool md_p2p_is_peer(const struct bio *bio)
{
	return bio_has_data((struct bio *)bio) && !md_p2p_is_dmabuf(bio) &&
	       is_pci_p2pdma_page(bio->bi_io_vec[bio->bi_iter.bi_idx].bv_page);
}

/* Tells whether the application keeps protection information in peer memory. */
static inline bool md_p2p_has_peer_integrity(struct bio *bio)
{
	struct bio_integrity_payload *bip = bio_integrity(bio);

	return bip && bip->bip_iter.bi_size &&
	       is_pci_p2pdma_page(bip->bip_vec[bip->bip_iter.bi_idx].bv_page);
}

/* Returns the physical address of the first peer page. */
static inline u64 md_p2p_peer_address(const struct bio *bio)
{
	return page_to_phys(bio->bi_io_vec[bio->bi_iter.bi_idx].bv_page);
}

#endif /* MD_P2P_BIO_H */
