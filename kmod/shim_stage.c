// SPDX-License-Identifier: GPL-2.0
/*
 * Staging: the plumbing that takes a peer bio through host pages.
 *
 * A piece is what is in flight of one bio: host pages of its own, and a clone
 * of the bio in which they stand for the peer pages. A write is copied before
 * its clone is submitted, so that all members get the same bytes whatever the
 * application does meanwhile; a read is copied back before the bio ends.
 *
 * Copies of uncached memory take long, so both are made in workqueues, each
 * with a thread of its own in reserve: what waits for pages must not keep
 * others from being freed. Only one thread takes pages, and there are as many
 * in reserve as a piece may want, so that pieces in flight always make room.
 */
#include <linux/bio.h>
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
 * Writes may have to wait for a part of the array, or all else for all of it.
 * What MD has accounted for must not: it holds active_io, and who suspends the
 * array waits for that reference. Each has a lane of its own, where nothing
 * waits for what another has to wait for.
 */
enum { READS, WRITES, ACCOUNTED, LANES };

struct lane {
	struct mddev *mddev;
	bool accounted;
	struct workqueue_struct *out;	/* towards the members */
	struct workqueue_struct *back;	/* of what was read */
	mempool_t pieces;
	mempool_t pages;
	struct bio_set clones;
	struct bio_set splits;
	struct work_struct work;
	spinlock_t lock;		/* of all below */
	struct bio_list waiting;
	unsigned int in_flight;		/* pages */
};

struct md_p2p_stager {
	struct lane lanes[LANES];
};

struct piece {
	struct lane *lane;
	struct bio *peer;
	struct bio *host;
	struct bvec_iter iter;		/* of host, before it was submitted */
	atomic_t left;			/* submitting it, and its I/O */
	struct work_struct work;
	unsigned int count;
	struct bio_vec vecs[PIECE_PAGES];
};

/* As bio_copy_data(), but fit for uncached memory. */
static void copy(struct bio *to, struct bio *from)
{
	struct bvec_iter to_iter = to->bi_iter;
	struct bvec_iter from_iter = from->bi_iter;

	while (to_iter.bi_size && from_iter.bi_size) {
		struct bio_vec dest = bio_iter_iovec(to, to_iter);
		struct bio_vec src = bio_iter_iovec(from, from_iter);
		unsigned int len = min(dest.bv_len, src.bv_len);

		md_p2p_copy(dest.bv_page, dest.bv_offset, src.bv_page,
			    src.bv_offset, len);
		bio_advance_iter_single(to, &to_iter, len);
		bio_advance_iter_single(from, &from_iter, len);
	}
}

/* The end of a piece */

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
	if (!bio_list_empty(&lane->waiting))
		queue_work(lane->out, &lane->work);
	spin_unlock_irqrestore(&lane->lock, flags);
}

static void finish(struct piece *piece)
{
	struct lane *lane = piece->lane;
	struct bio *peer = piece->peer;
	blk_status_t status = piece->host->bi_status;

	/* MD counts what it has accounted for. */
	if (!status && !lane->accounted)
		md_p2p_glue_count(lane->mddev->p2p,
				  op_is_write(bio_op(peer)), false,
				  peer->bi_iter.bi_size);
	/* Of a bio in parts, another may have left an error. */
	if (status)
		peer->bi_status = status;
	bio_put(piece->host);
	free_piece(piece);
	/* The array may go as soon as its last bio has ended. */
	bio_endio(peer);
}

static void copy_back(struct work_struct *work)
{
	struct piece *piece = container_of(work, struct piece, work);

	piece->host->bi_iter = piece->iter;
	copy(piece->peer, piece->host);
	finish(piece);
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
		finish(piece);
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

static struct piece *new_piece(struct lane *lane, struct bio *peer)
{
	struct piece *piece = mempool_alloc(&lane->pieces, GFP_NOIO);
	unsigned int i;

	piece->lane = lane;
	piece->peer = peer;
	piece->count = DIV_ROUND_UP(peer->bi_iter.bi_size, PAGE_SIZE);
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
 * The clone has all that the bio has (integrity, encryption, priority, cgroup)
 * but its pages, which a clone never owns and so may be given others.
 */
static struct bio *host_clone(struct piece *piece)
{
	struct bio *peer = piece->peer;
	struct bio *host = bio_alloc_clone(peer->bi_bdev, peer, GFP_NOIO,
					   &piece->lane->clones);

	host->bi_io_vec = piece->vecs;
	host->bi_iter = (struct bvec_iter){
		.bi_sector = peer->bi_iter.bi_sector,
		.bi_size = peer->bi_iter.bi_size,
	};
	host->bi_private = piece;
	host->bi_end_io = host_end_io;
	/* The cgroup has paid for it. */
	bio_set_flag(host, BIO_BPS_THROTTLED);
	/* It is submitted by a thread that may wait. */
	host->bi_opf &= ~(REQ_NOWAIT | REQ_POLLED | REQ_NOMERGE);
	return host;
}

/*
 * A CPU that reads from a device that is gone gets ones, and no error. False if
 * what was copied may not be what was there.
 */
static bool copy_out(struct piece *piece)
{
	copy(piece->host, piece->peer);
	return md_p2p_glue_answers(piece->lane->mddev->p2p,
				   shim_peer_address(piece->peer));
}

static void stage(struct lane *lane, struct bio *peer)
{
	struct bio *parent = peer;
	struct piece *piece;
	struct bio *host;

	if (bio_sectors(peer) > PIECE_SECTORS) {
		peer = bio_split(parent, PIECE_SECTORS, GFP_NOIO,
				 &lane->splits);
		bio_chain(peer, parent);
	}

	piece = new_piece(lane, peer);
	piece->host = host_clone(piece);
	piece->iter = piece->host->bi_iter;
	if (op_is_write(bio_op(peer)) && !copy_out(piece)) {
		piece->host->bi_status = BLK_STS_TARGET;
		finish(piece);
		return;
	}
	/* MD lets nothing wait for the array that it has accounted for. */
	host = piece->host;
	if (lane->accounted)
		md_account_bio(lane->mddev, &host);
	submit_bio_noacct(host);
	half_done(piece);
}

/* The bio in front, if there is room; it stays there until its last piece. */
static struct bio *next_waiting(struct lane *lane)
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

static void stage_waiting(struct work_struct *work)
{
	struct lane *lane = container_of(work, struct lane, work);
	struct bio *peer;

	while ((peer = next_waiting(lane))) {
		stage(lane, peer);
		cond_resched();
	}
}

static struct lane *lane_of(struct md_p2p_stager *stager, struct bio *bio)
{
	if (md_cloned_bio(stager->lanes[ACCOUNTED].mddev, bio))
		return &stager->lanes[ACCOUNTED];
	return &stager->lanes[op_is_write(bio_op(bio)) ? WRITES : READS];
}

void shim_stage(struct md_p2p_stager *stager, struct bio *bio)
{
	struct lane *lane = lane_of(stager, bio);
	unsigned long flags;

	if (lane->accounted)
		md_p2p_io(bio)->p2p_direct = false;
	/* Once it is there and the lock is free, it may end, and the array too. */
	spin_lock_irqsave(&lane->lock, flags);
	bio_list_add(&lane->waiting, bio);
	queue_work(lane->out, &lane->work);
	spin_unlock_irqrestore(&lane->lock, flags);
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

static bool lane_init(struct lane *lane, struct mddev *mddev, bool accounted)
{
	const unsigned int flags = WQ_UNBOUND | WQ_MEM_RECLAIM;

	lane->mddev = mddev;
	lane->accounted = accounted;
	spin_lock_init(&lane->lock);
	bio_list_init(&lane->waiting);
	INIT_WORK(&lane->work, stage_waiting);
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
	int i;

	if (!stager)
		return NULL;
	for (i = 0; i < LANES; i++) {
		if (!lane_init(&stager->lanes[i], mddev, i == ACCOUNTED)) {
			shim_stager_free(stager);
			return NULL;
		}
	}
	return stager;
}
