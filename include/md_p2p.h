/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What MD's own C may ask of md-p2p: every call that a rule of kbuild/rules/
 * puts into MD is declared here, and nothing else is.
 *
 * The inline parts hold the one test that host-memory I/O pays for; what comes
 * after it (md_p2p_* without a body) is decided in kmod/.
 */
#ifndef MD_P2P_H
#define MD_P2P_H

#include <linux/async_tx.h>
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/major.h>
#include <linux/memremap.h>

#include "md.h"

struct md_p2p_array;

/* Coming and going: arrays, members, the driver itself. None may fail MD. */
struct md_p2p_array *md_p2p_array_new(struct mddev *mddev);
void md_p2p_array_free(struct md_p2p_array *array);
void md_p2p_member_added(struct md_rdev *rdev);
void md_p2p_member_removed(struct md_rdev *rdev);
void md_p2p_array_started(struct mddev *mddev);
void md_p2p_stack_limits(struct mddev *mddev, struct queue_limits *lim);
void md_p2p_show_array(struct mddev *mddev);
ssize_t md_p2p_show_distance(struct md_rdev *rdev, char *page);

/* Names that the kernel's own md may hold already: see "sole" and "beside". */
extern int md_p2p_major;
int md_p2p_register_blkdev(void (*probe)(dev_t devt));
void md_p2p_unregister_blkdev(void);
const char *md_p2p_mdp_name(void);
const char *md_p2p_mdstat_name(void);
const char *md_p2p_sysctl_path(void);

/* The way of a peer bio; the inline functions below stand before each. */
bool __md_p2p_refused(struct mddev *mddev, struct bio *bio);
bool __md_p2p_must_stage(struct mddev *mddev, struct bio *bio);
void md_p2p_copy(struct page *dest, size_t dest_offset, struct page *src,
		 size_t src_offset, size_t len);
void __md_p2p_io_start(struct md_io_clone *io, struct bio *bio);
void __md_p2p_io_end(struct md_io_clone *io);

/*
 * Since 6.17 the block layer never mixes pages of two kinds or of two
 * providers in one bio, so that the first page speaks for all.
 */
static inline bool md_p2p_is_peer(const struct bio *bio)
{
	return bio_has_data((struct bio *)bio) &&
	       is_pci_p2pdma_page(bio->bi_io_vec[bio->bi_iter.bi_idx].bv_page);
}

/*
 * True if the bio has been ended with an error before any member saw it.
 * Called with mddev->active_io held, so that no member can join meanwhile.
 */
static inline bool md_p2p_refused(struct mddev *mddev, struct bio *bio)
{
	return unlikely(md_p2p_is_peer(bio)) && __md_p2p_refused(mddev, bio);
}

/* raid4/5/6: true if a member must not see the pages of this bio. */
static inline bool md_p2p_must_stage(struct mddev *mddev, struct bio *bio)
{
	return unlikely(md_p2p_is_peer(bio)) && __md_p2p_must_stage(mddev, bio);
}

/*
 * REQ_NOMERGE is all that keeps a peer bio from being merged with a host bio
 * in a member's queue, where the request is then mapped as its first bio is.
 */
static inline void md_p2p_allow_merge(struct bio *bio)
{
	if ((bio->bi_opf & REQ_NOMERGE) && !md_p2p_is_peer(bio))
		bio->bi_opf &= ~REQ_NOMERGE;
}

static inline void md_p2p_io_start(struct md_io_clone *io, struct bio *bio)
{
	io->p2p_bytes = 0;
	if (unlikely(md_p2p_is_peer(bio)))
		__md_p2p_io_start(io, bio);
}

static inline void md_p2p_io_end(struct md_io_clone *io)
{
	if (unlikely(io->p2p_bytes))
		__md_p2p_io_end(io);
}

/* The rest of a read that is tried again: the whole has been counted. */
static inline void md_p2p_io_uncounted(struct bio *clone)
{
	container_of(clone, struct md_io_clone, bio_clone)->p2p_bytes = 0;
}

/*
 * MD takes BLK_STS_INVAL for no fault of the member's, and a write for done.
 * It is what a member says that cannot map a peer page: nothing was written.
 */
static inline void md_p2p_write_ended(struct bio *clone, struct bio *of_member)
{
	if (unlikely(of_member->bi_status == BLK_STS_INVAL) &&
	    container_of(clone, struct md_io_clone, bio_clone)->p2p_bytes)
		clone->bi_status = BLK_STS_TARGET;
}

/* Where MD decides late: @clone is what md_account_bio() made of the bio. */
static inline void md_p2p_io_goes(struct bio *clone, bool direct)
{
	container_of(clone, struct md_io_clone, bio_clone)->p2p_direct = direct;
}

/*
 * async_memcpy() may hand both pages to a DMA engine, and nobody has asked
 * whether that engine reaches the provider: a peer page is copied by the CPU.
 */
static inline struct dma_async_tx_descriptor *
md_p2p_async_memcpy(struct page *dest, struct page *src,
		    unsigned int dest_offset, unsigned int src_offset,
		    size_t len, struct async_submit_ctl *submit)
{
	if (likely(!is_pci_p2pdma_page(dest) && !is_pci_p2pdma_page(src)))
		return async_memcpy(dest, src, dest_offset, src_offset, len,
				    submit);

	/* What was queued before this copy may still be writing to its pages. */
	async_tx_quiesce(&submit->depend_tx);
	md_p2p_copy(dest, dest_offset, src, src_offset, len);
	if (submit->cb_fn)
		submit->cb_fn(submit->cb_param);
	return NULL;
}

#endif /* MD_P2P_H */
