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
#include <linux/bio-integrity.h>
#include <linux/blkdev.h>
#include <linux/major.h>
#include <linux/memremap.h>
#include <linux/proc_fs.h>
#include <linux/sysctl.h>
#include <linux/wait.h>

#include "md.h"

struct md_p2p_array;
struct md_p2p_loan;
struct mdp_superblock_1;

/* What has become of a member's part of a direct I/O. */
enum md_p2p_end {
	MD_P2P_ENDED,		/* it has ended as its bio says */
	MD_P2P_AGAIN,		/* it is done again, and will end once more */
	MD_P2P_EXCUSED,		/* it has failed, but not by the member's fault */
};

/* Which members a read of a mirror may choose from. */
struct md_p2p_ring {
	u64 members;		/* bits of their slots */
	u64 reached;		/* those of all rings so far */
	int distance;		/* of the ring */
	enum { MD_P2P_RING, MD_P2P_REACHED, MD_P2P_ALL } step;
};

/* Coming and going: arrays, members, the driver itself. None may fail MD. */
struct md_p2p_array *md_p2p_array_new(struct mddev *mddev);
void md_p2p_array_free(struct md_p2p_array *array);
void md_p2p_member_added(struct md_rdev *rdev);
void md_p2p_member_removed(struct md_rdev *rdev);
void md_p2p_array_started(struct mddev *mddev);
void md_p2p_stack_limits(struct mddev *mddev, struct queue_limits *lim);
void md_p2p_show_array(struct mddev *mddev);
ssize_t md_p2p_show_distance(struct md_rdev *rdev, char *page);
ssize_t md_p2p_show_read_bytes(struct md_rdev *rdev, char *page);
ssize_t md_p2p_show_write_bytes(struct md_rdev *rdev, char *page);

/*
 * The driver itself, with names that the kernel's own md may hold: see
 * shim_names.c. md_p2p_unregister_blkdev() takes mdstat and settings away too.
 */
extern int md_p2p_major;
int md_p2p_register_blkdev(void (*probe)(dev_t devt));
void md_p2p_unregister_blkdev(void);
void md_p2p_mdstat(const struct proc_ops *ops, wait_queue_head_t *waiters);
__poll_t md_p2p_mdstat_goes(void);
void md_p2p_settings(const struct ctl_table *table, size_t size);
int md_p2p_add_disk(struct gendisk *disk);

/* The way of a peer bio; the inline functions below stand before each. */
bool __md_p2p_takes(struct mddev *mddev, struct bio *bio);
bool __md_p2p_refuses(struct md_rdev *rdev, struct bio *bio);
void __md_p2p_submit(struct bio *clone, struct md_rdev *rdev, struct bio *bio);
bool __md_p2p_takes_cached(struct mddev *mddev, struct bio *bio);
bool __md_p2p_may_copy(struct mddev *mddev);
bool __md_p2p_must_stage(struct md_rdev *rdev, struct bio *bio);
void __md_p2p_first_ring(struct mddev *mddev, struct bio *bio,
			 struct md_p2p_ring *ring);
bool __md_p2p_next_ring(struct mddev *mddev, struct bio *bio,
			struct md_p2p_ring *ring);
void md_p2p_copy(struct page *dest, size_t dest_offset, struct page *src,
		 size_t src_offset, size_t len);
void __md_p2p_io_start(struct md_io_clone *io, struct bio *bio);
void __md_p2p_io_to(struct md_io_clone *io, struct md_rdev *rdev);
void __md_p2p_io_copied(struct md_io_clone *io);
bool __md_p2p_io_end(struct md_io_clone *io);
enum md_p2p_end __md_p2p_member_ended(struct md_rdev *rdev, struct bio *clone,
				      struct bio *bio, sector_t sector,
				      sector_t to, unsigned int sectors);
void md_p2p_copy_data(struct bio *to, struct bvec_iter to_iter,
		      struct bio *from, struct bvec_iter from_iter);
void md_p2p_resync_due(struct mddev *mddev);
void md_p2p_resync_passed(struct mddev *mddev);
void md_p2p_resync_forgotten(struct mddev *mddev);
enum sync_action md_p2p_chosen_action(struct mddev *mddev);
bool md_p2p_recovers_anew(const struct mdp_superblock_1 *sb);
bool md_p2p_is_told_spare(const struct mdp_superblock_1 *sb,
			  const struct md_rdev *rdev);
bool md_p2p_recovery_follows(struct mddev *mddev);

/*
 * A rebuild of a mirror, buffer by buffer. The loan is kept with the buffer, and
 * is NULL if its data pass through host pages.
 *
 * md_p2p_rebuild_read() submits @source, MD's read, or a stand-in from peer
 * pages, if all members that are read or written reach a provider; @bios, of
 * which some may be NULL, are what will be written, and may be what would be
 * read else. md_p2p_rebuild_write() is for each that is written, once the read
 * has ended. Both end as MD's bios do. If such a write fails, and
 * md_p2p_rebuild_lost(), it is the data that were lost, in peer memory and then
 * wherever they had been read: the member is not to blame that lacks them.
 */
void md_p2p_rebuild_starts(struct mddev *mddev);
void md_p2p_rebuild_read(struct md_p2p_loan **owner, struct mddev *mddev,
			 struct bio *source, struct bio **bios, int count);
void md_p2p_rebuild_write(struct md_p2p_loan *loan, struct bio *bio);
bool md_p2p_rebuild_lost(const struct md_p2p_loan *loan, const struct bio *bio);
void md_p2p_rebuild_put(struct md_p2p_loan **owner);
void __md_p2p_rebuild_wrote(struct mddev *mddev, const struct md_p2p_loan *loan,
			    const struct bio *bio, unsigned int sectors);

/*
 * The data of such a bio are a dma-buf: it has no pages that anybody may look
 * at. MD_P2P_DMABUF is the flag that marks it, where kbuild/Kbuild has found
 * that the kernel has such bios.
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
 * Since 6.17 the block layer never mixes pages of two kinds or of two
 * providers in one bio, so that the first page speaks for all.
 */
static inline bool md_p2p_is_peer(const struct bio *bio)
{
	return bio_has_data((struct bio *)bio) && !md_p2p_is_dmabuf(bio) &&
	       is_pci_p2pdma_page(bio->bi_io_vec[bio->bi_iter.bi_idx].bv_page);
}

/* Protection information that the application keeps in peer memory. */
static inline bool md_p2p_has_peer_integrity(struct bio *bio)
{
	struct bio_integrity_payload *bip = bio_integrity(bio);

	return bip && bip->bip_iter.bi_size &&
	       is_pci_p2pdma_page(bip->bip_vec[bip->bip_iter.bi_idx].bv_page);
}

/*
 * In the array's queue only: a clone with host pages, for which the application's
 * cgroup has paid there already.
 */
#define MD_P2P_STAGED_CLONE	REQ_DRV

/*
 * True if the bio is no longer MD's: it has been ended with an error, or comes
 * back with host pages. Called with mddev->active_io held, so that no member
 * can join between the answer and the DMA.
 */
static inline bool md_p2p_takes(struct mddev *mddev, struct bio *bio)
{
	if (unlikely(md_p2p_is_dmabuf(bio))) {
		bio->bi_status = BLK_STS_NOTSUPP;
		bio_endio(bio);
		return true;
	}
	return unlikely((bio->bi_opf & MD_P2P_STAGED_CLONE) ||
			md_p2p_is_peer(bio) ||
			md_p2p_has_peer_integrity(bio)) &&
	       __md_p2p_takes(mddev, bio);
}

/* True if the bio has been refused for the one member that a level has chosen. */
static inline bool md_p2p_refuses(struct md_rdev *rdev, struct bio *bio)
{
	return unlikely(md_p2p_is_peer(bio)) && __md_p2p_refuses(rdev, bio);
}

/*
 * Submits @bio, a member's part of what @clone stands for: as it is if the
 * member reaches its pages, else through host pages.
 */
static inline void md_p2p_submit(struct bio *clone, struct md_rdev *rdev,
				 struct bio *bio)
{
	if (unlikely(md_p2p_is_peer(bio)))
		__md_p2p_submit(clone, rdev, bio);
	else
		submit_bio_noacct(bio);
}

/* As md_p2p_takes() for what raid4/5/6 are about to copy through their stripe cache. */
static inline bool md_p2p_takes_cached(struct mddev *mddev, struct bio *bio)
{
	return unlikely(md_p2p_is_peer(bio)) &&
	       __md_p2p_takes_cached(mddev, bio);
}

/*
 * raid1 and raid10 ask their own balance about the members of one ring after
 * the other: those nearest to the provider, those farther, all that reach it
 * (slow ones too), and at last all.
 */
static inline void md_p2p_any_ring(struct md_p2p_ring *ring)
{
	*ring = (struct md_p2p_ring){ .members = ~0ULL, .step = MD_P2P_ALL };
}

static inline void md_p2p_first_ring(struct mddev *mddev, struct bio *bio,
				     struct md_p2p_ring *ring)
{
	md_p2p_any_ring(ring);
	if (unlikely(md_p2p_is_peer(bio)))
		__md_p2p_first_ring(mddev, bio, ring);
}

static inline bool md_p2p_next_ring(struct mddev *mddev, struct bio *bio,
				    struct md_p2p_ring *ring)
{
	return ring->step != MD_P2P_ALL &&
	       __md_p2p_next_ring(mddev, bio, ring);
}

static inline bool md_p2p_in_ring(const struct md_rdev *rdev,
				  const struct md_p2p_ring *ring)
{
	return ring->members == ~0ULL ||
	       (rdev->p2p_slot < BITS_PER_TYPE(ring->members) &&
		ring->members >> rdev->p2p_slot & 1);
}

/* Write-mostly members are asked when no other reaches. */
static inline bool md_p2p_in_slow_ring(const struct md_rdev *rdev,
				       const struct md_p2p_ring *ring)
{
	return ring->step != MD_P2P_RING && md_p2p_in_ring(rdev, ring);
}

/* raid4/5/6: true if this member must not see the pages of this bio. */
static inline bool md_p2p_must_stage(struct md_rdev *rdev, struct bio *bio)
{
	return unlikely(md_p2p_is_peer(bio)) && __md_p2p_must_stage(rdev, bio);
}

/* raid1: whether the CPU may copy the pages of this bio, to write behind. */
static inline bool md_p2p_may_copy(struct mddev *mddev, struct bio *bio)
{
	return likely(!md_p2p_is_peer(bio)) || __md_p2p_may_copy(mddev);
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

/*
 * Accounting: @io is what md_account_bio() makes of a bio, @clone the bio in
 * it, which stands for the bio from then on.
 */
static inline struct md_io_clone *md_p2p_io(struct bio *clone)
{
	return container_of(clone, struct md_io_clone, bio_clone);
}

static inline void md_p2p_io_start(struct md_io_clone *io, struct bio *bio)
{
	io->p2p_peer = md_p2p_is_peer(bio);
	if (unlikely(io->p2p_peer))
		__md_p2p_io_start(io, bio);
}

/*
 * True if the bio that @io stands for has not ended: it is done again, or MD is
 * yet to be told that its members must be brought in sync. It ends once more.
 */
static inline bool md_p2p_io_end(struct md_io_clone *io)
{
	return unlikely(io->p2p_peer) && __md_p2p_io_end(io);
}

/* The rest of a read that is tried again: the whole has been counted. */
static inline void md_p2p_io_uncounted(struct bio *clone)
{
	md_p2p_io(clone)->p2p_bytes = 0;
}

/* Where MD decides late that the CPU copies after all. */
static inline void md_p2p_io_copied(struct bio *clone)
{
	if (unlikely(md_p2p_io(clone)->p2p_peer))
		__md_p2p_io_copied(md_p2p_io(clone));
}

/* The one member that does the DMA of all of the bio. */
static inline void md_p2p_io_to(struct bio *clone, struct md_rdev *rdev)
{
	if (unlikely(md_p2p_io(clone)->p2p_peer))
		__md_p2p_io_to(md_p2p_io(clone), rdev);
}

/*
 * A mirror's part has ended, that of the array's sectors from @sector on, which
 * the member has from @to on; @bio is the member's, and @clone stands for the
 * whole. Of a bio that has ended only the first page is still there to look at,
 * and it speaks for all.
 */
static inline enum md_p2p_end
md_p2p_member_ended(struct md_rdev *rdev, struct bio *clone, struct bio *bio,
		    sector_t sector, sector_t to, unsigned int sectors)
{
	if ((bio_op(bio) != REQ_OP_READ && bio_op(bio) != REQ_OP_WRITE) ||
	    likely(!is_pci_p2pdma_page(bio->bi_io_vec->bv_page)))
		return MD_P2P_ENDED;
	return __md_p2p_member_ended(rdev, clone, bio, sector, to, sectors);
}

/* A member that is being brought in sync, and does not have all of this yet. */
static inline bool md_p2p_lacks(const struct md_rdev *rdev, sector_t sector,
				unsigned int sectors)
{
	return !test_bit(In_sync, &rdev->flags) &&
	       rdev->recovery_offset < sector + sectors;
}

/* Not in a resync, although somebody may have asked for a recovery after it. */
static inline bool md_p2p_recovers(const struct mddev *mddev)
{
	return test_bit(MD_RECOVERY_RECOVER, &mddev->recovery) &&
	       !test_bit(MD_RECOVERY_SYNC, &mddev->recovery);
}

/* MD's write to a member that is brought in sync has ended. */
static inline void md_p2p_rebuild_wrote(struct mddev *mddev,
					const struct md_p2p_loan *loan,
					const struct bio *bio,
					unsigned int sectors)
{
	if (!bio->bi_status)
		__md_p2p_rebuild_wrote(mddev, loan, bio, sectors);
}

/* raid4/5/6: a stripe is in sync. The stripe cache has host pages. */
static inline void md_p2p_rebuilt(struct mddev *mddev, unsigned int sectors)
{
	__md_p2p_rebuild_wrote(mddev, NULL, NULL, sectors);
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
