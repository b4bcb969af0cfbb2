// SPDX-License-Identifier: GPL-2.0
/*
 * Staging: the plumbing that takes peer I/O through host pages.
 *
 * A piece is what is in flight of one I/O: host pages of its own, and a clone
 * of the application's bio in which they stand for the peer pages. A write is
 * copied before its clone is submitted; a read is copied back before it ends.
 *
 * What a mirror writes is staged as a whole: its clones go into the array, so
 * that all members get the same bytes whatever the application does meanwhile.
 * All else is staged member by member, in MD's midst: the clones go to the
 * member, and MD knows nothing but that it takes longer. So neither the array's
 * queue, nor who suspends the array, nor a pool that MD has taken from can be in
 * the way, and what was tried directly before can be done again.
 *
 * Copies of uncached memory take long, so both are made in workqueues, each
 * with a thread of its own in reserve: what waits for pages must not keep
 * others from being freed. Only one thread takes pages, and there are as many
 * in reserve as a piece may want, so that pieces in flight always make room.
 */
#include <linux/bio.h>
#include <linux/blk-cgroup.h>
#include <linux/blkdev.h>
#include <linux/mempool.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "md.h"
#include "md_p2p.h"
#include "shim.h"

#define PIECE_PAGES	64
#define PIECE_SECTORS	(PIECE_PAGES << PAGE_SECTORS_SHIFT)
#define RESERVE		2

/* Of one lane, in flight: 16 MiB with pages of 4 KiB. */
#define PAGES_IN_FLIGHT	4096

/*
 * Writes to the array may have to wait for it. Parts must not: MD has accounted
 * for them, and who suspends the array waits for them. So each kind has a lane
 * of its own.
 */
enum { WRITES, PARTS, LANES };

struct lane {
	struct mddev *mddev;
	struct workqueue_struct *out;	/* towards the members */
	struct workqueue_struct *back;	/* of what was read */
	mempool_t pieces;
	mempool_t pages;
	struct bio_set clones;
	struct bio_set splits;
	struct work_struct work;
	spinlock_t lock;		/* of all below */
	struct bio_list waiting;	/* WRITES */
	struct list_head ios;		/* PARTS */
	struct bio *part;		/* taken from there, and not all in flight */
	struct md_io_clone *io;		/* its own */
	unsigned int in_flight;		/* pages */
};

struct md_p2p_stager {
	struct lane lanes[LANES];
};

struct piece {
	struct lane *lane;
	struct bio *whole;		/* what ends with the last piece of it */
	struct bio *peer;		/* the application's bio */
	struct bvec_iter peer_iter;	/* of its peer pages */
	struct bio *host;
	struct bvec_iter iter;		/* of host, before it was submitted */
	atomic_t left;			/* submitting it, and its I/O */
	bool lost;
	struct work_struct work;
	unsigned int count;
	struct bio_vec vecs[PIECE_PAGES];
};

/* What a part's bi_next says that has ended: none is ever a bio to go on with. */
static struct bio staged, repeated, lost;

enum shim_part shim_part(struct bio *part)
{
	struct bio *mark = part->bi_next;

	if (mark != &staged && mark != &repeated && mark != &lost)
		return SHIM_DIRECT;
	part->bi_next = NULL;
	if (mark == &lost)
		return SHIM_LOST;
	return mark == &repeated ? SHIM_REPEATED : SHIM_STAGED;
}

/* The end of a piece */

static bool is_waiting(const struct lane *lane)
{
	return !bio_list_empty(&lane->waiting) || !list_empty(&lane->ios) ||
	       lane->part;
}

static void free_piece(struct piece *piece)
{
	struct lane *lane = piece->lane;
	unsigned int count = piece->count;
	unsigned long flags;
	unsigned int i;

	for (i = 0; i < count; i++)
		mempool_free(piece->vecs[i].bv_page, &lane->pages);
	mempool_free(piece, &lane->pieces);

	spin_lock_irqsave(&lane->lock, flags);
	lane->in_flight -= count;
	if (is_waiting(lane))
		queue_work(lane->out, &lane->work);
	spin_unlock_irqrestore(&lane->lock, flags);
}

static bool is_part(const struct piece *piece)
{
	return piece->whole != piece->peer;
}

/* A piece of a part has ended, or nothing more of it is to be put in flight. */
static void end_part(struct bio *part)
{
	if (atomic_dec_and_test(&part->__bi_remaining))
		part->bi_end_io(part);
}

/* The array may go as soon as its last bio has ended. */
static void finish(struct piece *piece, blk_status_t status)
{
	struct lane *lane = piece->lane;
	struct bio *whole = piece->whole;
	bool part = is_part(piece);

	/* MD counts what it has accounted for. */
	if (!part && !status)
		md_p2p_glue_count(lane->mddev->p2p, true, false,
				  whole->bi_iter.bi_size);
	/* Another piece may have left an error. */
	if (status)
		whole->bi_status = status;
	if (part && piece->lost)
		WRITE_ONCE(whole->bi_next, &lost);
	if (piece->host)
		bio_put(piece->host);
	free_piece(piece);
	if (part)
		end_part(whole);
	else
		bio_endio(whole);
}

/* The provider has gone, or there is no memory: it is no member's fault. */
static void lose(struct piece *piece)
{
	piece->lost = true;
	finish(piece, BLK_STS_TARGET);
}

static bool provider_answers(struct piece *piece)
{
	struct bio peer = {
		.bi_io_vec = piece->peer->bi_io_vec,
		.bi_iter = piece->peer_iter,
	};

	return shim_answers(piece->lane->mddev->p2p, &peer);
}

static void copy_back(struct work_struct *work)
{
	struct piece *piece = container_of(work, struct piece, work);

	md_p2p_copy_data(piece->peer, piece->peer_iter, piece->host, piece->iter);
	if (provider_answers(piece))
		finish(piece, BLK_STS_OK);
	else
		lose(piece);
}

/*
 * Whoever submits is in the midst of MD, and MD's only hold on the array is
 * the bio that has not ended.
 */
static void half_done(struct piece *piece)
{
	struct bio *host = piece->host;

	if (!atomic_dec_and_test(&piece->left))
		return;
	if (op_is_write(bio_op(host)) || host->bi_status) {
		finish(piece, host->bi_status);
		return;
	}
	INIT_WORK(&piece->work, copy_back);
	queue_work(piece->lane->back, &piece->work);
}

static void host_end_io(struct bio *host)
{
	half_done(host->bi_private);
}

/* The way out */

static struct piece *new_piece(struct lane *lane, struct bio *whole,
			       struct bio *peer, unsigned int sectors)
{
	struct piece *piece = mempool_alloc(&lane->pieces, GFP_NOIO);
	unsigned int i;

	piece->lane = lane;
	piece->whole = whole;
	piece->peer = peer;
	piece->lost = false;
	piece->count = DIV_ROUND_UP(sectors << SECTOR_SHIFT, PAGE_SIZE);
	atomic_set(&piece->left, 2);
	for (i = 0; i < piece->count; i++)
		bvec_set_page(&piece->vecs[i],
			      mempool_alloc(&lane->pages, GFP_NOIO),
			      PAGE_SIZE, 0);

	spin_lock_irq(&lane->lock);
	lane->in_flight += piece->count;
	spin_unlock_irq(&lane->lock);
	return piece;
}

/*
 * The clone has all that the application's bio has (integrity, encryption,
 * priority, cgroup) but its pages, which a clone never owns and so may be given
 * others. False if there is no memory for it.
 */
static bool make_host(struct piece *piece, struct block_device *bdev,
		      sector_t sector, unsigned int offset,
		      unsigned int sectors)
{
	struct bio *host = bio_alloc_clone(bdev, piece->peer, GFP_NOIO,
					   &piece->lane->clones);

	piece->host = host;
	if (!host)
		return false;
	/* An atomic write is never trimmed, and warns of being asked. */
	if (sectors != bio_sectors(host))
		bio_trim(host, offset, sectors);
	piece->peer_iter = host->bi_iter;
	host->bi_io_vec = piece->vecs;
	host->bi_iter = (struct bvec_iter){
		.bi_sector = sector,
		.bi_size = sectors << SECTOR_SHIFT,
	};
	piece->iter = host->bi_iter;
	host->bi_private = piece;
	host->bi_end_io = host_end_io;
	/* It is submitted by a thread that may wait. */
	host->bi_opf &= ~(REQ_NOWAIT | REQ_POLLED | REQ_NOMERGE);
	return true;
}

/*
 * A CPU that reads from a device that is gone gets ones, and no error. False if
 * what was copied may not be what was there.
 */
static bool copy_out(struct piece *piece)
{
	if (!op_is_write(bio_op(piece->host)))
		return true;
	md_p2p_copy_data(piece->host, piece->iter, piece->peer, piece->peer_iter);
	return provider_answers(piece);
}

static void submit(struct piece *piece)
{
	submit_bio_noacct(piece->host);
	half_done(piece);
}

/* Writes to the array */

/* There was no memory: what is left of a write in front ends. */
static void give_up(struct lane *lane, struct bio *bio)
{
	spin_lock_irq(&lane->lock);
	bio_list_pop(&lane->waiting);
	spin_unlock_irq(&lane->lock);
	bio->bi_status = BLK_STS_RESOURCE;
	bio_endio(bio);
}

static void stage_write(struct lane *lane, struct bio *peer)
{
	struct bio *parent = peer;
	struct piece *piece;

	if (bio_sectors(peer) > PIECE_SECTORS) {
		peer = bio_split(parent, PIECE_SECTORS, GFP_NOIO,
				 &lane->splits);
		if (IS_ERR(peer)) {
			give_up(lane, parent);
			return;
		}
		bio_chain(peer, parent);
	}

	piece = new_piece(lane, peer, peer, bio_sectors(peer));
	if (!make_host(piece, peer->bi_bdev, peer->bi_iter.bi_sector, 0,
		       bio_sectors(peer)) ||
	    !copy_out(piece)) {
		lose(piece);
		return;
	}
	/* The cgroup has paid for it in this queue: see shim_charge(). */
	bio_associate_blkg_from_css(piece->host, blkcg_root_css);
	piece->host->bi_opf |= MD_P2P_STAGED_CLONE;
	submit(piece);
}

/* What bio_chain() sets, which has no exported name. */
static bio_end_io_t *chain_end_io(void)
{
	struct bio parent, bio = {};

	bio_init(&parent, NULL, NULL, 0, 0);
	bio_chain(&bio, &parent);
	return bio.bi_end_io;
}

/* The limits of the array's queue may have had it split. */
void shim_charge(struct bio *bio)
{
	struct bio *host = bio;
	struct piece *piece;

	if (bio->bi_end_io != host_end_io && bio->bi_end_io == chain_end_io())
		host = bio->bi_private;
	/* Some other driver's flag. */
	if (host->bi_end_io != host_end_io)
		return;
	piece = host->bi_private;
	bio->bi_opf &= ~MD_P2P_STAGED_CLONE;
	bio_clone_blkg_association(bio, piece->peer);
}

/* The bio in front, if there is room; it stays there until its last piece. */
static struct bio *next_write(struct lane *lane)
{
	struct bio *peer = NULL;

	spin_lock_irq(&lane->lock);
	if (lane->in_flight < PAGES_IN_FLIGHT)
		peer = bio_list_peek(&lane->waiting);
	if (peer && bio_sectors(peer) <= PIECE_SECTORS)
		bio_list_pop(&lane->waiting);
	spin_unlock_irq(&lane->lock);
	return peer;
}

static void stage_writes(struct work_struct *work)
{
	struct lane *lane = container_of(work, struct lane, work);
	struct bio *peer;

	while ((peer = next_write(lane))) {
		stage_write(lane, peer);
		cond_resched();
	}
}

void shim_stage(struct md_p2p_stager *stager, struct bio *bio)
{
	struct lane *lane = &stager->lanes[WRITES];
	unsigned long flags;

	/* Once it is there and the lock is free, it may end, and the array too. */
	spin_lock_irqsave(&lane->lock, flags);
	bio_list_add(&lane->waiting, bio);
	queue_work(lane->out, &lane->work);
	spin_unlock_irqrestore(&lane->lock, flags);
}

/*
 * Members' parts: the member's bio stands for where it goes, and how much of it
 * is not in flight yet; all else is the application's bio's. Its status is that
 * of the first try until it is begun with.
 */

static void add_io(struct lane *lane, struct md_io_clone *io)
{
	if (list_empty(&io->p2p_node))
		list_add_tail(&io->p2p_node, &lane->ios);
	queue_work(lane->out, &lane->work);
}

void shim_stage_part(struct md_p2p_stager *stager, struct md_io_clone *io,
		     struct bio *part, struct md_rdev *rdev, u64 to,
		     unsigned int offset, unsigned int sectors)
{
	struct lane *lane = &stager->lanes[PARTS];
	unsigned long flags;

	part->bi_bdev = rdev->bdev;
	part->bi_iter.bi_sector = to;
	part->bi_iter.bi_size = sectors << SECTOR_SHIFT;
	spin_lock_irqsave(&lane->lock, flags);
	/* Of all its parts alike. */
	io->p2p_offset = offset;
	io->p2p_sectors = sectors;
	bio_list_add(&io->p2p_parts, part);
	add_io(lane, io);
	spin_unlock_irqrestore(&lane->lock, flags);
}

void shim_settle(struct md_p2p_stager *stager, struct md_io_clone *io)
{
	struct lane *lane = &stager->lanes[PARTS];
	unsigned long flags;

	spin_lock_irqsave(&lane->lock, flags);
	add_io(lane, io);
	spin_unlock_irqrestore(&lane->lock, flags);
}

/* Takes the part in front; an I/O without parts is to be settled. */
static struct md_io_clone *next_part(struct lane *lane)
{
	struct md_io_clone *io = lane->io;

	if (lane->part)
		return io;
	io = list_first_entry_or_null(&lane->ios, struct md_io_clone, p2p_node);
	if (!io)
		return NULL;
	lane->io = io;
	lane->part = bio_list_pop(&io->p2p_parts);
	if (bio_list_empty(&io->p2p_parts))
		list_del_init(&io->p2p_node);
	if (lane->part) {
		lane->part->bi_next = lane->part->bi_status ? &repeated :
							      &staged;
		lane->part->bi_status = BLK_STS_OK;
		atomic_set(&lane->part->__bi_remaining, 1);
	}
	return io;
}

/* The next piece of the part that has been taken. */
static void stage_part(struct lane *lane, struct md_io_clone *io)
{
	struct bio *part = lane->part;
	sector_t to = part->bi_iter.bi_sector;
	unsigned int left = bio_sectors(part);
	unsigned int offset = io->p2p_offset + io->p2p_sectors - left;
	unsigned int sectors = min(left, PIECE_SECTORS);
	struct block_device *bdev = part->bi_bdev;
	struct piece *piece = new_piece(lane, part, io->orig_bio, sectors);

	part->bi_iter.bi_sector += sectors;
	part->bi_iter.bi_size -= sectors << SECTOR_SHIFT;
	atomic_inc(&part->__bi_remaining);
	if (make_host(piece, bdev, to, offset, sectors) && copy_out(piece))
		submit(piece);
	else
		lose(piece);
	if (left > sectors)
		return;

	spin_lock_irq(&lane->lock);
	lane->part = NULL;
	spin_unlock_irq(&lane->lock);
	end_part(part);
}

static void settle(struct md_io_clone *io)
{
	shim_resync(io);
	io->bio_clone.bi_end_io(&io->bio_clone);
}

static void stage_parts(struct work_struct *work)
{
	struct lane *lane = container_of(work, struct lane, work);
	struct md_io_clone *io;

	for (;;) {
		spin_lock_irq(&lane->lock);
		io = lane->in_flight < PAGES_IN_FLIGHT ? next_part(lane) : NULL;
		spin_unlock_irq(&lane->lock);
		if (!io)
			return;
		if (lane->part)
			stage_part(lane, io);
		else
			settle(io);
		cond_resched();
	}
}

bool shim_can_stage(const struct bio *bio)
{
	return !(bio->bi_opf & REQ_ATOMIC) || bio_sectors(bio) <= PIECE_SECTORS;
}

/* Making and freeing */

static void lane_exit(struct lane *lane)
{
	if (lane->out)
		destroy_workqueue(lane->out);
	if (lane->back)
		destroy_workqueue(lane->back);
	mempool_exit(&lane->pages);
	mempool_exit(&lane->pieces);
	bioset_exit(&lane->clones);
	bioset_exit(&lane->splits);
}

static bool lane_init(struct lane *lane, struct mddev *mddev,
		      work_func_t stage)
{
	const unsigned int flags = WQ_UNBOUND | WQ_MEM_RECLAIM;

	lane->mddev = mddev;
	spin_lock_init(&lane->lock);
	bio_list_init(&lane->waiting);
	INIT_LIST_HEAD(&lane->ios);
	INIT_WORK(&lane->work, stage);
	lane->out = alloc_workqueue("md_p2p_out", flags, 0);
	lane->back = alloc_workqueue("md_p2p_back", flags, 0);
	return lane->out && lane->back &&
	       !mempool_init_page_pool(&lane->pages, PIECE_PAGES, 0) &&
	       !mempool_init_kmalloc_pool(&lane->pieces, RESERVE,
					  sizeof(struct piece)) &&
	       !bioset_init(&lane->clones, RESERVE, 0, 0) &&
	       !bioset_init(&lane->splits, RESERVE, 0, 0);
}

void shim_stager_free(struct md_p2p_stager *stager)
{
	int i;

	for (i = 0; i < LANES; i++)
		lane_exit(&stager->lanes[i]);
	kfree(stager);
}

struct md_p2p_stager *shim_stager_new(struct mddev *mddev)
{
	struct md_p2p_stager *stager = kzalloc(sizeof(*stager), GFP_KERNEL);

	if (!stager)
		return NULL;
	if (!lane_init(&stager->lanes[WRITES], mddev, stage_writes) ||
	    !lane_init(&stager->lanes[PARTS], mddev, stage_parts)) {
		shim_stager_free(stager);
		return NULL;
	}
	return stager;
}
