// SPDX-License-Identifier: GPL-2.0
/*
 * The way of a peer bio: what MD asks when a bio comes in, when a member has
 * been chosen, and when the I/O has ended.
 *
 * Tests: the scenarios counters, levels, unmapped, knot and faults.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>

#include "md.h"
#include "md_p2p.h"
#include "resync.h"
#include "shim.h"
#include "stage.h"

#define CREATE_TRACE_POINTS
#include "md_p2p_trace.h"

/* @rdev is NULL if the decision is about all members. */
static void trace_route(struct mddev *mddev, struct md_rdev *rdev,
			struct bio *bio, enum md_p2p_route route)
{
	if (trace_md_p2p_route_enabled() && route != MD_P2P_LATER)
		trace_md_p2p_route(mddev->gendisk, rdev ? rdev->bdev : NULL,
				   bio, md_p2p_glue_provider(mddev->p2p,
							     md_p2p_peer_address(bio)),
				   route);
}

static void refuse(struct bio *bio)
{
	bio->bi_status = BLK_STS_TARGET;
	bio_endio(bio);
}

static void refuse_peer(struct mddev *mddev, struct bio *bio)
{
	md_p2p_glue_count_refused(mddev->p2p);
	refuse(bio);
}

static bool takes(struct mddev *mddev, struct bio *bio,
		  enum md_p2p_route route)
{
	/* What several members are to get must not stay half done. */
	if ((route == MD_P2P_STAGED || route == MD_P2P_DIRECT) &&
	    !shim_can_stage(bio))
		route = MD_P2P_REFUSED;
	/* What several members get is traced when it is done: see count(). */
	if (route != MD_P2P_DIRECT)
		trace_route(mddev, NULL, bio, route);
	switch (route) {
	case MD_P2P_STAGED:
		shim_stage(md_p2p_glue_stager(mddev->p2p), bio);
		return true;
	case MD_P2P_REFUSED:
		refuse_peer(mddev, bio);
		return true;
	default:
		return false;
	}
}

bool __md_p2p_takes(struct mddev *mddev, struct bio *bio)
{
	if (md_p2p_is_dmabuf(bio)) {
		bio->bi_status = BLK_STS_NOTSUPP;
		bio_endio(bio);
		return true;
	}
	if (bio->bi_opf & MD_P2P_STAGED_CLONE)
		shim_charge(bio);
	if (!md_p2p_has_peer_pages(bio) && !md_p2p_has_peer_integrity(bio))
		return false;
	if (!mddev->p2p) {
		refuse(bio);
		return true;
	}
	/* It is not known who reaches the protection information. */
	if (md_p2p_has_peer_integrity(bio)) {
		refuse_peer(mddev, bio);
		return true;
	}
	/*
	 * A driver that points a bio at pages of its own does not set the flag.
	 * Every bio comes through here; md_p2p_allow_merge() keeps it later,
	 * and md_p2p_is_peer() relies on it.
	 */
	bio->bi_opf |= REQ_NOMERGE;
	return takes(mddev, bio,
		     md_p2p_glue_route(mddev->p2p, md_p2p_peer_address(bio),
				       mddev->level, op_is_write(bio_op(bio))));
}

static enum md_p2p_route route_to(struct md_rdev *rdev, const struct bio *bio)
{
	return md_p2p_glue_route_member(rdev->mddev->p2p,
					md_p2p_peer_address(bio), rdev->p2p_slot);
}

bool __md_p2p_refuses(struct md_rdev *rdev, struct bio *bio)
{
	enum md_p2p_route route = route_to(rdev, bio);

	if (route == MD_P2P_DIRECT ||
	    (route == MD_P2P_STAGED && shim_can_stage(bio)))
		return false;
	trace_route(rdev->mddev, rdev, bio, MD_P2P_REFUSED);
	refuse_peer(rdev->mddev, bio);
	return true;
}
EXPORT_SYMBOL_GPL(__md_p2p_refuses);

bool __md_p2p_takes_cached(struct mddev *mddev, struct bio *bio)
{
	return takes(mddev, bio, md_p2p_glue_route_copied(mddev->p2p));
}
EXPORT_SYMBOL_GPL(__md_p2p_takes_cached);

void __md_p2p_first_ring(struct mddev *mddev, struct bio *bio,
			 struct md_p2p_ring *ring)
{
	*ring = (struct md_p2p_ring){ .distance = -1, .step = MD_P2P_RING };
	__md_p2p_next_ring(mddev, bio, ring);
}
EXPORT_SYMBOL_GPL(__md_p2p_first_ring);

bool __md_p2p_next_ring(struct mddev *mddev, struct bio *bio,
			struct md_p2p_ring *ring)
{
	if (ring->step == MD_P2P_RING) {
		ring->members = md_p2p_glue_ring(mddev->p2p, md_p2p_peer_address(bio),
						 &ring->distance);
		ring->reached |= ring->members;
		if (ring->members)
			return true;
		ring->members = ring->reached;
		ring->step = MD_P2P_REACHED;
		if (ring->members)
			return true;
	}
	ring->members = ~0ULL;
	ring->step = MD_P2P_ALL;
	return true;
}
EXPORT_SYMBOL_GPL(__md_p2p_next_ring);

/* Without a stager, nothing is staged. */
struct bio_set *__md_p2p_splits(struct mddev *mddev, struct bio_set *others)
{
	struct md_p2p_stager *stager = md_p2p_glue_stager(mddev->p2p);

	return stager ? shim_chunks(stager) : others;
}
EXPORT_SYMBOL_GPL(__md_p2p_splits);

bool __md_p2p_in_ring(const struct md_rdev *rdev,
		      const struct md_p2p_ring *ring)
{
	return ring->members == ~0ULL ||
	       (rdev->p2p_slot < BITS_PER_TYPE(ring->members) &&
		ring->members >> rdev->p2p_slot & 1);
}
EXPORT_SYMBOL_GPL(__md_p2p_in_ring);

bool __md_p2p_in_slow_ring(const struct md_rdev *rdev,
			   const struct md_p2p_ring *ring)
{
	return ring->step != MD_P2P_RING && __md_p2p_in_ring(rdev, ring);
}
EXPORT_SYMBOL_GPL(__md_p2p_in_slow_ring);

bool __md_p2p_may_copy(struct mddev *mddev)
{
	return md_p2p_glue_route_copied(mddev->p2p) == MD_P2P_STAGED;
}
EXPORT_SYMBOL_GPL(__md_p2p_may_copy);

bool __md_p2p_must_stage(struct md_rdev *rdev, struct bio *bio)
{
	return route_to(rdev, bio) != MD_P2P_DIRECT;
}
EXPORT_SYMBOL_GPL(__md_p2p_must_stage);

/* Accounting */

/* Write-behind, or a read that has failed and goes through the stripe cache. */
void __md_p2p_io_copied(struct md_io_clone *io)
{
	io->p2p_direct = false;
	io->p2p_cached = true;
	trace_route(io->mddev, NULL, io->orig_bio, MD_P2P_STAGED);
}
EXPORT_SYMBOL_GPL(__md_p2p_io_copied);

void __md_p2p_io_to(struct md_io_clone *io, struct md_rdev *rdev)
{
	io->p2p_direct = true;
	io->p2p_cached = false;
	io->p2p_slot = rdev->p2p_slot;
	trace_route(io->mddev, rdev, io->orig_bio, MD_P2P_DIRECT);
}
EXPORT_SYMBOL_GPL(__md_p2p_io_to);

/* Stages what begins at @sector of the array and at @to of the member. */
static void stage_part(struct md_io_clone *io, struct md_rdev *rdev,
		       struct bio *part, sector_t sector, sector_t to,
		       unsigned int sectors)
{
	struct mddev *mddev = io->mddev;
	unsigned int offset = sector - io->orig_bio->bi_iter.bi_sector;

	io->p2p_direct = false;
	trace_route(mddev, rdev, io->orig_bio, MD_P2P_STAGED);
	shim_stage_part(md_p2p_glue_stager(mddev->p2p), io, part, rdev, to,
			offset, sectors);
}

/* raid0 and linear submit the clone itself, with the member's sector. */
void __md_p2p_submit(struct bio *clone, struct md_rdev *rdev, struct bio *bio)
{
	struct md_io_clone *io = md_p2p_io(clone);
	enum md_p2p_route route = route_to(rdev, bio);
	sector_t sector = clone->bi_iter.bi_sector;

	if (clone == bio) {
		io->p2p_rdev = rdev;
		io->p2p_to = sector;
		sector = io->orig_bio->bi_iter.bi_sector;
	}
	if (route == MD_P2P_DIRECT) {
		io->p2p_direct = true;
		trace_route(io->mddev, rdev, io->orig_bio, route);
		submit_bio_noacct(bio);
	} else if (shim_can_stage(io->orig_bio) &&
		   md_p2p_glue_stager(io->mddev->p2p)) {
		/* Or refused: it was not refused when MD chose the member. */
		stage_part(io, rdev, bio, sector, bio->bi_iter.bi_sector,
			   bio_sectors(bio));
	} else {
		bio->bi_status = BLK_STS_INVAL;
		bio_endio(bio);
	}
}
EXPORT_SYMBOL_GPL(__md_p2p_submit);

static bool can_repeat(struct md_io_clone *io, blk_status_t status, bool write)
{
	bool mapped = status != BLK_STS_INVAL;

	return status != BLK_STS_AGAIN && shim_can_stage(io->orig_bio) &&
	       md_p2p_glue_route_again(io->mddev->p2p, write, mapped) ==
	       MD_P2P_STAGED;
}

static enum md_p2p_end direct_ended(struct md_rdev *rdev, struct md_io_clone *io,
				    struct bio *bio, sector_t sector,
				    sector_t to, unsigned int sectors)
{
	struct md_p2p_array *array = io->mddev->p2p;
	bool write = op_is_write(bio_op(bio));

	if (!bio->bi_status) {
		md_p2p_glue_way_worked(array, md_p2p_peer_address(io->orig_bio),
				       rdev->p2p_slot);
		md_p2p_glue_count_member(array, rdev->p2p_slot, write,
					 (u64)sectors << SECTOR_SHIFT);
		return MD_P2P_ENDED;
	}
	/* Nothing more goes to a member that has been failed. */
	if (test_bit(Faulty, &rdev->flags))
		return MD_P2P_ENDED;
	if (can_repeat(io, bio->bi_status, write)) {
		stage_part(io, rdev, bio, sector, to, sectors);
		return MD_P2P_AGAIN;
	}
	/* A member that cannot map a peer page says BLK_STS_INVAL. */
	if (bio->bi_status != BLK_STS_INVAL)
		return MD_P2P_ENDED;
	io->p2p_refused = true;
	return MD_P2P_EXCUSED;
}

static enum md_p2p_end part_ended(struct md_rdev *rdev, struct md_io_clone *io,
				  struct bio *bio, sector_t sector,
				  sector_t to, unsigned int sectors)
{
	switch (shim_part(bio)) {
	case SHIM_DIRECT:
		return direct_ended(rdev, io, bio, sector, to, sectors);
	case SHIM_REPEATED:
		/* The member has done its part now, so the way was at fault. */
		if (!bio->bi_status)
			md_p2p_glue_way_failed(io->mddev->p2p,
					       md_p2p_peer_address(io->orig_bio),
					       rdev->p2p_slot);
		return MD_P2P_ENDED;
	case SHIM_LOST:
		io->p2p_lost = true;
		return MD_P2P_EXCUSED;
	default:
		return MD_P2P_ENDED;
	}
}

enum md_p2p_end md_p2p_member_ended(struct md_rdev *rdev, struct bio *clone,
				    struct bio *bio, sector_t sector,
				    sector_t to, unsigned int sectors)
{
	struct md_io_clone *io = md_p2p_io(clone);
	bool write = op_is_write(bio_op(bio));
	enum md_p2p_end end = part_ended(rdev, io, bio, sector, to, sectors);

	if (end == MD_P2P_EXCUSED && write)
		shim_lose_write(io);
	/* Another member has given what one did not. */
	if (end == MD_P2P_ENDED && !bio->bi_status && !write)
		io->p2p_refused = false;
	return end;
}
EXPORT_SYMBOL_GPL(md_p2p_member_ended);

static void count(struct md_io_clone *io, bool write)
{
	struct md_p2p_array *array = io->mddev->p2p;
	unsigned int by_engine;

	if (!io->p2p_bytes)
		return;
	md_p2p_glue_count(array, write, io->p2p_direct, io->p2p_bytes);
	by_engine = atomic_read(&io->p2p_by_engine);
	if (!io->p2p_direct && by_engine)
		md_p2p_glue_count_engine(array, min(by_engine, io->p2p_bytes));
	if (!io->p2p_direct || io->p2p_rdev)
		return;
	if (io->p2p_slot < MD_P2P_SLOTS)
		md_p2p_glue_count_member(array, io->p2p_slot, write,
					 io->p2p_bytes);
	else if (write)
		trace_route(io->mddev, NULL, io->orig_bio, MD_P2P_DIRECT);
}

/*
 * Tells whether the copies are right that the CPU made without the stager: for
 * raid4/5/6, when a direct read has failed, and to write behind. A provider that
 * is gone gives any data.
 */
static bool copies_arrived(struct md_io_clone *io)
{
	return !io->p2p_cached || shim_answers(io->mddev->p2p, io->orig_bio);
}

/* The application gets the error that a queue without P2PDMA gives. */
static void set_status(struct md_io_clone *io, bool write)
{
	struct bio *clone = &io->bio_clone;

	if (io->p2p_refused && (write || clone->bi_status)) {
		md_p2p_glue_count_refused(io->mddev->p2p);
		clone->bi_status = BLK_STS_TARGET;
	}
	if (io->p2p_lost || (!clone->bi_status && !copies_arrived(io)))
		clone->bi_status = BLK_STS_TARGET;
}

/*
 * Returns false if the bio that @io stands for ends once more: it is done again,
 * or MD is yet to be told that a resync is due.
 */
static bool has_ended(struct md_io_clone *io)
{
	struct md_p2p_stager *stager = md_p2p_glue_stager(io->mddev->p2p);
	struct bio *clone = &io->bio_clone;
	bool write = op_is_write(bio_op(clone));

	/* raid0 and linear: the clone is the member's bio, too. */
	if (io->p2p_rdev &&
	    part_ended(io->p2p_rdev, io, clone,
		       io->orig_bio->bi_iter.bi_sector, io->p2p_to,
		       bio_sectors(io->orig_bio)) == MD_P2P_AGAIN)
		return false;
	if (io->p2p_due && !io->p2p_settled && stager) {
		io->p2p_settled = true;
		shim_settle(stager, io);
		return false;
	}
	set_status(io, write);
	if (!clone->bi_status)
		count(io, write);
	if (io->p2p_due) {
		if (!io->p2p_settled)
			shim_ask_for_resync(io->mddev);
		md_write_end(io->mddev);
	}
	return true;
}

static void io_end(struct bio *clone)
{
	if (has_ended(md_p2p_io(clone)))
		md_end_clone_io(clone);
}

/*
 * A read of a mirror that has failed may be tried again in parts. MD splits its
 * own clone for this, which has been counted as a whole.
 */
static bool is_counted(const struct md_io_clone *io)
{
	const struct bio *part = io->orig_bio;
	const struct bio *whole = part->bi_private;

	return part->bi_end_io == shim_chain_end_io() &&
	       whole->bi_pool == &io->mddev->io_clone_set;
}

void __md_p2p_io_start(struct md_io_clone *io)
{
	io->p2p_bytes = is_counted(io) ? 0 : io->bio_clone.bi_iter.bi_size;
	io->p2p_direct = true;
	io->p2p_refused = false;
	io->p2p_lost = false;
	atomic_set(&io->p2p_by_engine, 0);
	io->p2p_due = false;
	io->p2p_settled = false;
	io->p2p_cached = false;
	io->p2p_slot = MD_P2P_SLOTS;
	io->p2p_rdev = NULL;
	bio_list_init(&io->p2p_parts);
	INIT_LIST_HEAD(&io->p2p_node);
	io->bio_clone.bi_end_io = io_end;
}
