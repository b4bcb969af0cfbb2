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

/* Of one array, in flight: 16 MiB with pages of 4 KiB. */
#define PAGES_IN_FLIGHT	4096

struct md_p2p_stager {
	struct mddev *mddev;
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

struct piece {
	struct md_p2p_stager *stager;
	struct bio *peer;
	struct bio *host;
	struct bvec_iter iter;		/* of host, before it was submitted */
	atomic_t left;			/* submitting it, and its I/O */
	bool accounted;			/* by MD, which will count it */
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
	struct md_p2p_stager *stager = piece->stager;
	unsigned int count = piece->count;
	unsigned long flags;
	unsigned int i;

	for (i = 0; i < count; i++)
		mempool_free(piece->vecs[i].bv_page, &stager->pages);
	mempool_free(piece, &stager->pieces);

	spin_lock_irqsave(&stager->lock, flags);
	stager->in_flight -= count;
	if (!bio_list_empty(&stager->waiting))
		queue_work(stager->out, &stager->work);
	spin_unlock_irqrestore(&stager->lock, flags);
}

static void finish(struct piece *piece)
{
	struct md_p2p_stager *stager = piece->stager;
	struct bio *peer = piece->peer;
	blk_status_t status = piece->host->bi_status;

	if (!status && !piece->accounted)
		md_p2p_glue_count(stager->mddev->p2p,
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
	queue_work(piece->stager->back, &piece->work);
}

static void host_end_io(struct bio *host)
{
	half_done(host->bi_private);
}

/* The way out */

static struct piece *new_piece(struct md_p2p_stager *stager, struct bio *peer)
{
	struct piece *piece = mempool_alloc(&stager->pieces, GFP_NOIO);
	unsigned int i;

	piece->stager = stager;
	piece->peer = peer;
	piece->count = DIV_ROUND_UP(peer->bi_iter.bi_size, PAGE_SIZE);
	atomic_set(&piece->left, 2);
	for (i = 0; i < piece->count; i++)
		bvec_set_page(&piece->vecs[i],
			      mempool_alloc(&stager->pages, GFP_NOIO),
			      PAGE_SIZE, 0);

	spin_lock_irq(&stager->lock);
	stager->in_flight += piece->count;
	spin_unlock_irq(&stager->lock);
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
					   &piece->stager->clones);

	host->bi_io_vec = piece->vecs;
	host->bi_iter = (struct bvec_iter){
		.bi_sector = peer->bi_iter.bi_sector,
		.bi_size = peer->bi_iter.bi_size,
	};
	host->bi_private = piece;
	host->bi_end_io = host_end_io;
	/* It is submitted by a thread that may wait. */
	host->bi_opf &= ~(REQ_NOWAIT | REQ_POLLED | REQ_NOMERGE);
	return host;
}

static void stage(struct md_p2p_stager *stager, struct bio *peer)
{
	bool accounted = md_cloned_bio(stager->mddev, peer);
	struct bio *parent = peer;
	struct piece *piece;
	struct bio *host;

	if (accounted)
		md_p2p_io(peer)->p2p_direct = false;
	if (bio_sectors(peer) > PIECE_SECTORS) {
		peer = bio_split(parent, PIECE_SECTORS, GFP_NOIO,
				 &stager->splits);
		bio_chain(peer, parent);
	}

	piece = new_piece(stager, peer);
	piece->accounted = accounted;
	piece->host = host_clone(piece);
	piece->iter = piece->host->bi_iter;
	if (op_is_write(bio_op(peer)))
		copy(piece->host, peer);
	/*
	 * What MD has accounted for holds active_io, and must not wait for the
	 * array to be resumed: who suspends it waits for that reference. MD
	 * lets nothing wait that it has accounted for.
	 */
	host = piece->host;
	if (accounted)
		md_account_bio(stager->mddev, &host);
	submit_bio_noacct(host);
	half_done(piece);
}

/* The bio in front, if there is room; it stays there until its last piece. */
static struct bio *next_waiting(struct md_p2p_stager *stager)
{
	struct bio *peer = NULL;

	spin_lock_irq(&stager->lock);
	if (stager->in_flight < PAGES_IN_FLIGHT)
		peer = bio_list_peek(&stager->waiting);
	if (peer && bio_sectors(peer) <= PIECE_SECTORS)
		bio_list_pop(&stager->waiting);
	spin_unlock_irq(&stager->lock);
	return peer;
}

static void stage_waiting(struct work_struct *work)
{
	struct md_p2p_stager *stager =
		container_of(work, struct md_p2p_stager, work);
	struct bio *peer;

	while ((peer = next_waiting(stager))) {
		stage(stager, peer);
		cond_resched();
	}
}

void shim_stage(struct md_p2p_stager *stager, struct bio *bio)
{
	unsigned long flags;

	spin_lock_irqsave(&stager->lock, flags);
	bio_list_add(&stager->waiting, bio);
	spin_unlock_irqrestore(&stager->lock, flags);
	queue_work(stager->out, &stager->work);
}

bool shim_can_stage(const struct bio *bio)
{
	return !(bio->bi_opf & REQ_ATOMIC) || bio_sectors(bio) <= PIECE_SECTORS;
}

/* Making and freeing */

void shim_stager_free(struct md_p2p_stager *stager)
{
	if (stager->out)
		destroy_workqueue(stager->out);
	if (stager->back)
		destroy_workqueue(stager->back);
	mempool_exit(&stager->pages);
	mempool_exit(&stager->pieces);
	bioset_exit(&stager->clones);
	bioset_exit(&stager->splits);
	kfree(stager);
}

struct md_p2p_stager *shim_stager_new(struct mddev *mddev)
{
	const unsigned int flags = WQ_UNBOUND | WQ_MEM_RECLAIM;
	struct md_p2p_stager *stager = kzalloc(sizeof(*stager), GFP_KERNEL);

	if (!stager)
		return NULL;
	stager->mddev = mddev;
	spin_lock_init(&stager->lock);
	bio_list_init(&stager->waiting);
	INIT_WORK(&stager->work, stage_waiting);
	stager->out = alloc_workqueue("md_p2p_out", flags, 0);
	stager->back = alloc_workqueue("md_p2p_back", flags, 0);
	if (!stager->out || !stager->back ||
	    mempool_init_page_pool(&stager->pages, PIECE_PAGES, 0) ||
	    mempool_init_kmalloc_pool(&stager->pieces, RESERVE,
				      sizeof(struct piece)) ||
	    bioset_init(&stager->clones, RESERVE, 0, 0) ||
	    bioset_init(&stager->splits, RESERVE, 0, 0)) {
		shim_stager_free(stager);
		return NULL;
	}
	return stager;
}
