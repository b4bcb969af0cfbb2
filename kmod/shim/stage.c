// SPDX-License-Identifier: GPL-2.0
/*
 * Takes peer I/O through host pages.
 *
 * A piece is a part of an I/O that is in flight. It has host pages of its own,
 * and a clone of the application's bio, in which the host pages stand for the
 * peer pages. A write is copied before its clone is submitted. A read is copied
 * back before it ends.
 *
 * What a mirror writes is staged as a whole: its clones go into the array, so
 * all members get equal bytes, whatever the application does meanwhile. So is
 * what raid4/5/6 do through their stripe cache, which never sees a peer page
 * then. All else is staged member by member, within MD: the clones go to the
 * member, and MD only sees that the I/O takes longer. So it waits neither for the
 * array's queue, nor for whoever suspends the array, nor for a pool that MD has
 * taken from. And what was tried directly before can be done again.
 *
 * A DMA engine copies, or else the CPU. Copies of uncached memory take long, so
 * they are made in workqueues, on several CPUs. The workqueues have a thread in reserve each, because what waits for pages
 * must not keep others from being freed. Only one thread takes pages, and the
 * reserve is as large as a piece, so pieces in flight always make room.
 *
 * Tests: the scenarios staging, knot, frozen, cgroup and faults.
 */
#include <linux/bio.h>
#include <linux/blk-cgroup.h>
#include <linux/blkdev.h>
#include <linux/highmem.h>
#include <linux/mempool.h>
#include <linux/workqueue.h>

#include "md.h"
#include "md_p2p_bio.h"
#include "md_p2p_copy.h"
#include "engine.h"
#include "resync.h"
#include "shim.h"
#include "stage.h"
#include "stager.h"

/* The pages of one lane in flight: 16 MiB if a page has 4 KiB. */
#define PAGES_IN_FLIGHT	4096

/* Marks in the bi_next of a part that has ended. They are never submitted. */
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

/* Whether the provider is there */

static u64 word_at(struct page *page, unsigned int offset)
{
	u64 *words = kmap_local_page(page);
	u64 word = READ_ONCE(words[offset / sizeof(*words)]);

	kunmap_local(words);
	return word;
}

/*
 * Returns the last word of the first page. PCI may let the CPU's writes to the
 * provider's memory wait; reading makes them arrive.
 */
static u64 peer_word(const struct bio *bio)
{
	struct bio_vec vec = bio_iovec(bio);

	/* First what the CPU has written, then the read. */
	wmb();
	return word_at(vec.bv_page, vec.bv_offset + vec.bv_len - 1);
}

/* If a device is gone, the CPU reads ones. */
bool shim_answers(const struct md_p2p_array *array, const struct bio *bio)
{
	u64 word = peer_word(bio);
	int answers = md_p2p_glue_answers(array, md_p2p_peer_address(bio));

	return answers < 0 ? word != U64_MAX : answers;
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

/* A piece of a part has ended, or all pieces of the part are in flight. */
static void end_part(struct bio *part)
{
	if (atomic_dec_and_test(&part->__bi_remaining))
		part->bi_end_io(part);
}

/* A part is counted when MD's accounting ends. */
static void count(struct piece *piece)
{
	struct md_p2p_array *array = piece->lane->mddev->p2p;
	struct bio *whole = piece->whole;
	unsigned int bytes = piece->iter.bi_size;

	if (is_part(piece)) {
		if (piece->by_engine)
			atomic_add(bytes, &piece->io->p2p_by_engine);
		return;
	}
	md_p2p_glue_count(array, op_is_write(bio_op(whole)), false, bytes);
	if (piece->by_engine)
		md_p2p_glue_count_engine(array, bytes);
}

/* The array may go as soon as its last bio has ended. */
static void finish(struct piece *piece, blk_status_t status)
{
	struct bio *whole = piece->whole;
	bool part = is_part(piece);

	if (!status)
		count(piece);
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

/* The provider has gone, or there is no memory: no member is at fault. */
static void lose(struct piece *piece)
{
	piece->lost = true;
	finish(piece, BLK_STS_TARGET);
}

/*
 * Tells whether what was copied is what was there, or is there now. The CPU does
 * not look at what an engine has read. But reading a word makes an engine's writes
 * arrive, as it does the CPU's.
 */
static bool provider_answers(struct piece *piece)
{
	struct md_p2p_array *array = piece->lane->mddev->p2p;
	struct bio peer = {
		.bi_io_vec = piece->peer->bi_io_vec,
		.bi_iter = piece->peer_iter,
	};
	int answers = -1;

	if (piece->by_engine && op_is_write(bio_op(piece->host)))
		answers = md_p2p_glue_answers(array, md_p2p_peer_address(&peer));
	return answers < 0 ? shim_answers(array, &peer) : answers;
}

/* Returns true if an engine has copied all of it. */
static bool copy_by_engine(struct piece *piece, struct bio *to,
			   struct bvec_iter to_iter, struct bio *from,
			   struct bvec_iter from_iter)
{
	struct md_p2p_array *array = piece->lane->mddev->p2p;
	u64 address = page_to_phys(bio_iter_page(piece->peer, piece->peer_iter));
	struct md_p2p_engine *engine = md_p2p_glue_engine(array, address);
	int ret;

	if (!engine)
		return false;
	ret = shim_engine_copy(engine, to, to_iter, from, from_iter);
	shim_engine_put(engine);
	if (ret != -EAGAIN)
		md_p2p_glue_engine_tried(array, address, !ret);
	return !ret;
}

/* What an engine has copied in part is copied anew as a whole. */
static void copy(struct piece *piece, struct bio *to, struct bvec_iter to_iter,
		 struct bio *from, struct bvec_iter from_iter)
{
	piece->by_engine = copy_by_engine(piece, to, to_iter, from, from_iter);
	if (!piece->by_engine)
		md_p2p_copy_data(to, to_iter, from, from_iter);
}

static void copy_back(struct work_struct *work)
{
	struct piece *piece = container_of(work, struct piece, work);

	copy(piece, piece->peer, piece->peer_iter, piece->host, piece->iter);
	if (provider_answers(piece))
		finish(piece, BLK_STS_OK);
	else
		lose(piece);
}

/*
 * A piece ends when it has been submitted and its I/O has ended. Until then the
 * bio has not ended, which is all by which MD holds the array.
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
	piece->by_engine = false;
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
 * Makes a clone that has all that the application's bio has (integrity,
 * encryption, priority, cgroup) except its pages. A clone never owns its pages,
 * so it may be given others. Returns false if there is no memory.
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
	/* An atomic write is never trimmed: bio_trim() would warn. */
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
	/* The thread that submits it may wait. */
	host->bi_opf &= ~(REQ_NOWAIT | REQ_POLLED | REQ_NOMERGE);
	return true;
}

static void submit(struct piece *piece)
{
	submit_bio_noacct(piece->host);
	half_done(piece);
}

/*
 * Copies what is written. If the device is gone, the CPU reads ones and gets no
 * error. So what was copied may not be what was there.
 */
static void copy_out(struct work_struct *work)
{
	struct piece *piece = container_of(work, struct piece, work);

	copy(piece, piece->host, piece->iter, piece->peer, piece->peer_iter);
	if (provider_answers(piece))
		submit(piece);
	else
		lose(piece);
}

/* Once it is under way, the piece may end, and what it is a piece of. */
static void start(struct piece *piece)
{
	if (!op_is_write(bio_op(piece->host))) {
		submit(piece);
		return;
	}
	INIT_WORK(&piece->work, copy_out);
	queue_work(piece->lane->copy, &piece->work);
}

/* What goes into the array */

/* There was no memory, so the rest of the bio in front ends. */
static void give_up(struct lane *lane, struct bio *bio)
{
	spin_lock_irq(&lane->lock);
	bio_list_pop(&lane->waiting);
	spin_unlock_irq(&lane->lock);
	bio->bi_status = BLK_STS_RESOURCE;
	bio_endio(bio);
}

static void stage_whole(struct lane *lane, struct bio *peer)
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
		       bio_sectors(peer))) {
		lose(piece);
		return;
	}
	/* The cgroup has paid in the array's queue: see shim_charge(). */
	bio_associate_blkg_from_css(piece->host, blkcg_root_css);
	piece->host->bi_opf |= MD_P2P_STAGED_CLONE;
	start(piece);
}

bio_end_io_t *shim_chain_end_io(void)
{
	struct bio parent, bio = {};

	bio_init(&parent, NULL, NULL, 0, 0);
	bio_chain(&bio, &parent);
	return bio.bi_end_io;
}

/* The array's queue may have split the clone, because of its limits. */
void shim_charge(struct bio *bio)
{
	struct bio *host = bio;
	struct piece *piece;

	if (bio->bi_end_io != host_end_io && bio->bi_end_io == shim_chain_end_io())
		host = bio->bi_private;
	/* The flag is some other driver's. */
	if (host->bi_end_io != host_end_io)
		return;
	piece = host->bi_private;
	bio->bi_opf &= ~MD_P2P_STAGED_CLONE;
	bio_clone_blkg_association(bio, piece->peer);
}

/* Returns the bio in front, if there is room. It stays until its last piece. */
static struct bio *next_whole(struct lane *lane)
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

static void stage_wholes(struct work_struct *work)
{
	struct lane *lane = container_of(work, struct lane, work);
	struct bio *peer;

	while ((peer = next_whole(lane))) {
		stage_whole(lane, peer);
		cond_resched();
	}
}

void shim_stage(struct md_p2p_stager *stager, struct bio *bio)
{
	struct lane *lane = &stager->lanes[WHOLES];
	unsigned long flags;

	/* As soon as the lock is free, the bio may end, and the array go. */
	spin_lock_irqsave(&lane->lock, flags);
	bio_list_add(&lane->waiting, bio);
	queue_work(lane->out, &lane->work);
	spin_unlock_irqrestore(&lane->lock, flags);
}

/*
 * Members' parts. The member's bio says where the part goes, and how much of it
 * is not in flight yet. All else comes from the application's bio. Until the
 * part is begun, the status of the member's bio is that of the first try.
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
	/* They are the same for all parts of the I/O. */
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

/* Takes the part in front. An I/O without parts is to be settled. */
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

/* Puts the next piece of the lane's part in flight. */
static void stage_part(struct lane *lane, struct md_io_clone *io)
{
	struct bio *part = lane->part;
	sector_t to = part->bi_iter.bi_sector;
	unsigned int left = bio_sectors(part);
	unsigned int offset = io->p2p_offset + io->p2p_sectors - left;
	unsigned int sectors = min(left, PIECE_SECTORS);
	struct block_device *bdev = part->bi_bdev;
	struct piece *piece = new_piece(lane, part, io->orig_bio, sectors);

	piece->io = io;
	part->bi_iter.bi_sector += sectors;
	part->bi_iter.bi_size -= sectors << SECTOR_SHIFT;
	atomic_inc(&part->__bi_remaining);
	if (make_host(piece, bdev, to, offset, sectors))
		start(piece);
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

struct bio_set *shim_chunks(struct md_p2p_stager *stager)
{
	return &stager->chunks;
}

bool shim_can_stage(const struct bio *bio)
{
	return !(bio->bi_opf & REQ_ATOMIC) || bio_sectors(bio) <= PIECE_SECTORS;
}

void shim_stage_init(void)
{
	shim_stager_init(stage_wholes, stage_parts);
}
