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
#ifndef MD_P2P_DMABUF
#define MD_P2P_DMABUF		0
#endif

static inline bool md_p2p_is_dmabuf(const struct bio *bio)
{
	return bio->bi_opf & MD_P2P_DMABUF;
}

/* A bio with any of these flags neither reads nor writes pages. */
#define MD_P2P_PAGELESS							\
	((REQ_OP_MASK & ~(REQ_OP_READ | REQ_OP_WRITE)) | MD_P2P_DMABUF)

/* A bio without these flags is judged by its pages alone. */
#define MD_P2P_SUSPECT							\
	(MD_P2P_PAGELESS | REQ_INTEGRITY | REQ_NOMERGE | MD_P2P_STAGED_CLONE)

/*
 * Asks the first page, which speaks for all: since 6.17 the block layer never
 * mixes pages of two kinds or of two providers in one bio.
 */
static inline bool md_p2p_peer_page(const struct bio *bio)
{
	return is_pci_p2pdma_page(bio->bi_io_vec[bio->bi_iter.bi_idx].bv_page);
}

/*
 * Tells whether the block layer has looked at the pages, because it has pinned
 * them: it sets REQ_NOMERGE then if they are peer pages. MD_P2P_PINNED_TOLD is set
 * if the source of this kernel says that it does.
 */
static inline bool md_p2p_was_looked_at(const struct bio *bio)
{
#ifdef MD_P2P_PINNED_TOLD
	return bio_flagged((struct bio *)bio, BIO_PAGE_PINNED);
#else
	return false;
#endif
}

/*
 * Tells whether a bio that comes in may have to do with peer pages. A driver may
 * have pointed a bio at pages of its own, which nobody has looked at.
 */
static inline bool md_p2p_needs_look(const struct bio *bio)
{
	return (bio->bi_opf & MD_P2P_SUSPECT) ||
	       (unlikely(!md_p2p_was_looked_at(bio)) && bio->bi_iter.bi_size &&
		md_p2p_peer_page(bio));
}

/* Ask the same of any bio, and of one that has ended: kmod/shim/bio.c. */
bool md_p2p_has_peer_pages(const struct bio *bio);
bool md_p2p_had_peer_pages(const struct bio *bio);

/*
 * Remembers the answer for a bio that md_p2p_takes() has let pass, and for what
 * is made of it. Those with peer pages have REQ_NOMERGE, which MD and the block
 * layer copy with all other flags when they clone or split a bio. Some others
 * have the flag too: what MD or the block layer has split, and raid1's copies for
 * write-behind. So a bio with the flag, and no other, is asked for its page.
 */
static inline bool md_p2p_is_peer(const struct bio *bio)
{
	return unlikely(bio->bi_opf & REQ_NOMERGE) &&
	       md_p2p_has_peer_pages(bio);
}

/*
 * Like md_p2p_is_peer(), for a member's bio that has ended. Only its first page
 * is still there. Nothing below an array takes REQ_NOMERGE from a peer bio:
 * another array would, but only a PCI device ever gets one.
 */
static inline bool md_p2p_was_peer(const struct bio *bio)
{
	return unlikely(bio->bi_opf & REQ_NOMERGE) &&
	       md_p2p_had_peer_pages(bio);
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
