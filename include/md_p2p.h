/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What MD's own C may ask of md-p2p: every call that a rule of kbuild/rules/
 * puts into MD is declared here or in a header that is included here, and
 * nothing else is.
 *
 * The inline functions hold the one test that host-memory I/O pays for. What
 * comes after that test is in kmod/shim/.
 */
#ifndef MD_P2P_H
#define MD_P2P_H

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/major.h>
#include <linux/memremap.h>
#include <linux/proc_fs.h>
#include <linux/sysctl.h>
#include <linux/wait.h>

#include "md.h"
#include "md_p2p_bio.h"
#include "md_p2p_copy.h"
#include "md_p2p_rebuild.h"
#include "md_p2p_resync.h"

struct md_p2p_array;

/* Arrays and members come and go: kmod/shim/array.c. No call may fail MD. */
struct md_p2p_array *md_p2p_array_new(struct mddev *mddev);
void md_p2p_array_free(struct md_p2p_array *array);
void md_p2p_member_added(struct md_rdev *rdev);
void md_p2p_member_removed(struct md_rdev *rdev);
void md_p2p_array_started(struct mddev *mddev);
void md_p2p_stack_limits(struct mddev *mddev, struct queue_limits *lim);

/* Files in sysfs: kmod/shim/sysfs.c. */
void md_p2p_show_array(struct mddev *mddev);
ssize_t md_p2p_show_distance(struct md_rdev *rdev, char *page);
ssize_t md_p2p_show_read_bytes(struct md_rdev *rdev, char *page);
ssize_t md_p2p_show_write_bytes(struct md_rdev *rdev, char *page);

/*
 * The driver comes and goes: kmod/shim/driver.c. md_p2p_unregister_blkdev()
 * also takes away what md_p2p_mdstat() and md_p2p_settings() have shown.
 */
int md_p2p_register_blkdev(void (*probe)(dev_t devt));
void md_p2p_unregister_blkdev(void);

/* Names that the kernel's own md may hold: kmod/shim/names.c. */
extern int md_p2p_major;
void md_p2p_mdstat(const struct proc_ops *ops, wait_queue_head_t *waiters);
__poll_t md_p2p_mdstat_goes(void);
void md_p2p_settings(const struct ctl_table *table, size_t size);
int md_p2p_add_disk(struct gendisk *disk);

/* What has become of a member's part of a direct I/O. */
enum md_p2p_end {
	MD_P2P_ENDED,		/* it has ended as its bio says */
	MD_P2P_AGAIN,		/* it is done again, and will end once more */
	MD_P2P_EXCUSED,		/* it has failed, but not by the member's fault */
};

/* Which members a read of a mirror may choose from. */
struct md_p2p_ring {
	u64 members;		/* bits of their slots */
	u64 reached;		/* bits of the slots of all rings so far */
	int distance;		/* of the ring */
	enum { MD_P2P_RING, MD_P2P_REACHED, MD_P2P_ALL } step;
};

/*
 * The way of a peer bio: kmod/shim/md_p2p.c. The inline functions below ask
 * whether the bio is a peer bio, and only then call these.
 */
bool __md_p2p_takes(struct mddev *mddev, struct bio *bio);
bool __md_p2p_refuses(struct md_rdev *rdev, struct bio *bio);
void __md_p2p_submit(struct bio *clone, struct md_rdev *rdev, struct bio *bio);
bool __md_p2p_takes_cached(struct mddev *mddev, struct bio *bio);
struct bio_set *__md_p2p_splits(struct mddev *mddev, struct bio_set *others);
bool __md_p2p_may_copy(struct mddev *mddev);
bool __md_p2p_must_stage(struct md_rdev *rdev, struct bio *bio);
void __md_p2p_first_ring(struct mddev *mddev, struct bio *bio,
			 struct md_p2p_ring *ring);
bool __md_p2p_next_ring(struct mddev *mddev, struct bio *bio,
			struct md_p2p_ring *ring);
bool __md_p2p_in_ring(const struct md_rdev *rdev,
		      const struct md_p2p_ring *ring);
bool __md_p2p_in_slow_ring(const struct md_rdev *rdev,
			   const struct md_p2p_ring *ring);
void __md_p2p_io_start(struct md_io_clone *io);
void __md_p2p_io_to(struct md_io_clone *io, struct md_rdev *rdev);
void __md_p2p_io_copied(struct md_io_clone *io);

/*
 * A mirror's part of peer I/O has ended: see md_p2p_was_peer(). It begins at
 * @sector of the array and at @to of the member. @bio is the member's, and
 * @clone stands for the whole.
 */
enum md_p2p_end md_p2p_member_ended(struct md_rdev *rdev, struct bio *clone,
				    struct bio *bio, sector_t sector,
				    sector_t to, unsigned int sectors);

/*
 * Returns true if the bio is no longer MD's: it has been ended with an error,
 * or comes back with host pages. MD holds mddev->active_io, so no member can
 * join between the answer and the DMA.
 */
static inline bool md_p2p_takes(struct mddev *mddev, struct bio *bio)
{
	return unlikely(md_p2p_needs_look(bio)) && __md_p2p_takes(mddev, bio);
}

/*
 * Returns true if the bio has been refused for the one member that a level has
 * chosen.
 */
static inline bool md_p2p_refuses(struct md_rdev *rdev, struct bio *bio)
{
	return md_p2p_is_peer(bio) && __md_p2p_refuses(rdev, bio);
}

/*
 * Submits @bio, a member's part of what @clone stands for: as it is if the
 * member reaches its pages, else through host pages.
 */
static inline void md_p2p_submit(struct bio *clone, struct md_rdev *rdev,
				 struct bio *bio)
{
	if (md_p2p_is_peer(bio))
		__md_p2p_submit(clone, rdev, bio);
	else
		submit_bio_noacct(bio);
}

/*
 * Like md_p2p_takes(), for what raid4/5/6 are about to give to their stripe
 * cache, which wants host pages.
 */
static inline bool md_p2p_takes_cached(struct mddev *mddev, struct bio *bio)
{
	return md_p2p_is_peer(bio) && __md_p2p_takes_cached(mddev, bio);
}

/*
 * raid4/5/6: returns where a part of @bio comes from. If the part is staged, it
 * does not hold the array, so it must not be of a level that may be exchanged.
 */
static inline struct bio_set *md_p2p_splits(struct mddev *mddev,
					    struct bio *bio,
					    struct bio_set *others)
{
	return md_p2p_is_peer(bio) ? __md_p2p_splits(mddev, others) : others;
}

/*
 * raid1 and raid10 ask their own balance about the members of one ring after
 * another: those nearest to the provider, then those farther, then all that
 * reach it (slow ones too), and at last all members. MD's balance finds the ring
 * at @carried, which is NULL for host memory. Nobody writes to @ring then.
 */
static inline void md_p2p_first_ring(struct mddev *mddev, struct bio *bio,
				     struct md_p2p_ring *ring,
				     struct md_p2p_ring **carried)
{
	if (md_p2p_is_peer(bio)) {
		*carried = ring;
		__md_p2p_first_ring(mddev, bio, ring);
	} else {
		*carried = NULL;
	}
}

static inline bool md_p2p_next_ring(struct mddev *mddev, struct bio *bio,
				    struct md_p2p_ring *ring)
{
	return unlikely(ring) && ring->step != MD_P2P_ALL &&
	       __md_p2p_next_ring(mddev, bio, ring);
}

static inline bool md_p2p_in_ring(const struct md_rdev *rdev,
				  struct md_p2p_ring *const *carried)
{
	return likely(!*carried) || __md_p2p_in_ring(rdev, *carried);
}

/* Write-mostly members are asked only when no other one reaches the provider. */
static inline bool md_p2p_in_slow_ring(const struct md_rdev *rdev,
				       struct md_p2p_ring *const *carried)
{
	return likely(!*carried) || __md_p2p_in_slow_ring(rdev, *carried);
}

/* raid4/5/6: tells whether this member must not see the pages of this bio. */
static inline bool md_p2p_must_stage(struct md_rdev *rdev, struct bio *bio)
{
	return md_p2p_is_peer(bio) && __md_p2p_must_stage(rdev, bio);
}

/* raid1: tells whether the CPU may copy the pages of this bio, to write behind. */
static inline bool md_p2p_may_copy(struct mddev *mddev, struct bio *bio)
{
	return !md_p2p_is_peer(bio) || __md_p2p_may_copy(mddev);
}

/*
 * Lets the block layer merge this bio, unless it is a peer bio. A member's
 * queue maps a merged request the way its first bio wants. Only REQ_NOMERGE
 * keeps a peer bio from being merged with a host bio there.
 */
static inline void md_p2p_allow_merge(struct bio *bio)
{
	if (unlikely(bio->bi_opf & REQ_NOMERGE) && !md_p2p_has_peer_pages(bio))
		bio->bi_opf &= ~REQ_NOMERGE;
}

/*
 * Accounting: md_account_bio() makes @io of a bio. @clone is the bio in @io,
 * and stands for the application's bio from then on. What md-p2p has put into
 * @io is set for peer bios only.
 */
static inline struct md_io_clone *md_p2p_io(struct bio *clone)
{
	return container_of(clone, struct md_io_clone, bio_clone);
}

/* Has a peer bio's clone end in kmod/shim/md_p2p.c, before it ends in MD. */
static inline void md_p2p_io_start(struct bio *clone)
{
	if (md_p2p_is_peer(clone))
		__md_p2p_io_start(md_p2p_io(clone));
}

/* The end of a clone as MD knows it. */
void md_end_clone_io(struct bio *clone);

/* MD has decided late that the CPU copies after all. */
static inline void md_p2p_io_copied(struct bio *clone)
{
	if (md_p2p_is_peer(clone))
		__md_p2p_io_copied(md_p2p_io(clone));
}

/* One member does the DMA of all of the bio. */
static inline void md_p2p_io_to(struct bio *clone, struct md_rdev *rdev)
{
	if (md_p2p_is_peer(clone))
		__md_p2p_io_to(md_p2p_io(clone), rdev);
}

#endif /* MD_P2P_H */
