// SPDX-License-Identifier: GPL-2.0
/*
 * Rebuilds of mirrors through peer pages.
 *
 * MD's buffers keep their host pages, and each read of a rebuild may have a loan
 * of peer pages besides. Then bios of the loan go to the members in place of
 * MD's own bios, and MD's bios end as the loan's bios end. What fails is done
 * once more with MD's own bio, so MD sees errors of host memory only. If even
 * the data are lost, MD blames nobody.
 *
 * A loan holds all that it may need. Once it is made, nothing is allocated, and
 * nothing waits for another loan.
 *
 * Tests: the scenarios rebuild, rebuild-lost and rebuild-gone.
 */
#include <linux/bio.h>
#include <linux/blk-integrity.h>
#include <linux/blkdev.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "md.h"
#include "md_p2p_copy.h"
#include "md_p2p_rebuild.h"
#include "rebuild.h"
#include "shim.h"

struct loan_io {
	struct md_p2p_loan *loan;
	struct bio *original;
	struct bio bio;
	struct bio_vec vec;
	struct work_struct work;
	bool peer;			/* has been done through peer pages */
	bool lost;			/* the data to write are nowhere */
};

struct md_p2p_loan {
	struct md_p2p_loan **owner;	/* where MD keeps it */
	struct mddev *mddev;
	struct md_p2p_pages *pages;
	struct bio *other;		/* where else MD could read, or NULL */
	struct mutex lock;
	bool refilled;			/* MD's pages have what was read */
	bool arrived;			/* the peer pages have it */
	bool failed;			/* some of it had to be done again */
	unsigned int writes;		/* handed out so far */
	unsigned int max_writes;
	struct loan_io read;
	struct loan_io write[] __counted_by(max_writes);
};

/* I/O is done once more with MD's own bio. Submitting the bio may sleep. */

static struct workqueue_struct *again;

static void io_again(struct loan_io *io)
{
	struct md_p2p_loan *loan = io->loan;

	if (!xchg(&loan->failed, true))
		md_p2p_glue_loan_failed(loan->mddev->p2p);
	queue_work(again, &io->work);
}

static void read_again(struct work_struct *work)
{
	struct loan_io *io = container_of(work, struct loan_io, work);
	struct bio *original = io->original;

	md_p2p_rebuild_put(io->loan->owner);
	submit_bio_noacct(original);
}

/* Reads MD's pages once more. No write of the array can have changed them. */
static blk_status_t refill_from(struct md_p2p_loan *loan, struct bio *source)
{
	struct bio *bio = &loan->read.bio;

	bio_uninit(bio);
	if (bio_init_clone(source->bi_bdev, bio, source, GFP_NOIO))
		return BLK_STS_RESOURCE;
	bio->bi_opf &= ~MD_FAILFAST;
	submit_bio_wait(bio);
	return bio->bi_status;
}

/*
 * Copies the peer pages to MD's pages, which is slow. Returns false if the
 * memory may have lost the data.
 */
static bool refill_by_copy(struct md_p2p_loan *loan)
{
	const void *from = md_p2p_glue_loan_pages(loan->pages);
	unsigned int done, length;
	struct bvec_iter iter;
	struct bio_vec to;

	if (!loan->arrived)
		return false;
	bio_for_each_segment(to, loan->read.original, iter)
		for (done = 0; done < to.bv_len; done += length, from += length) {
			length = min(to.bv_len - done,
				     PAGE_SIZE - offset_in_page(from));
			md_p2p_copy(to.bv_page, to.bv_offset + done,
				    virt_to_page(from), offset_in_page(from),
				    length);
		}
	return md_p2p_glue_loan_kept(loan->pages);
}

/*
 * Fills MD's pages. The member that was read may have gone meanwhile, with the
 * provider or alone, but the data may be on another member.
 */
static blk_status_t refill(struct md_p2p_loan *loan)
{
	blk_status_t status;

	if (loan->refilled)
		return BLK_STS_OK;
	status = refill_from(loan, loan->read.original);
	if (status && loan->other)
		status = refill_from(loan, loan->other);
	if (status && refill_by_copy(loan))
		status = BLK_STS_OK;
	loan->refilled = !status;
	return status;
}

static void write_again(struct work_struct *work)
{
	struct loan_io *io = container_of(work, struct loan_io, work);
	struct md_p2p_loan *loan = io->loan;
	struct bio *original = io->original;

	mutex_lock(&loan->lock);
	original->bi_status = refill(loan);
	mutex_unlock(&loan->lock);
	io->lost = original->bi_status;
	/* As soon as MD's bio has ended, the loan may be gone. */
	if (original->bi_status)
		bio_endio(original);
	else
		submit_bio_noacct(original);
}

/* The way of a loan's bios */

static void read_end_io(struct bio *bio)
{
	struct loan_io *io = container_of(bio, struct loan_io, bio);

	if (bio->bi_status)
		io_again(io);
	else
		bio_endio(io->original);
}

static void write_end_io(struct bio *bio)
{
	struct loan_io *io = container_of(bio, struct loan_io, bio);

	if (bio->bi_status || !md_p2p_glue_loan_kept(io->loan->pages)) {
		io_again(io);
		return;
	}
	io->peer = true;
	bio_endio(io->original);
}

static void prepare(struct loan_io *io, struct md_p2p_loan *loan,
		    struct bio *original, bio_end_io_t *end_io,
		    work_func_t once_more)
{
	struct bio *bio = &io->bio;

	io->loan = loan;
	io->original = original;
	INIT_WORK(&io->work, once_more);
	bio_init(bio, original->bi_bdev, &io->vec, 1, original->bi_opf);
	bio->bi_iter.bi_sector = original->bi_iter.bi_sector;
	bio->bi_end_io = end_io;
	__bio_add_page(bio, virt_to_page(md_p2p_glue_loan_pages(loan->pages)),
		       original->bi_iter.bi_size, 0);
	/* bio_add_page() sets it as well: see md_p2p_allow_merge(). */
	bio->bi_opf |= REQ_NOMERGE;
}

/* Making loans */

/*
 * Finds the slot of a bio's member. Returns false if it has none, or if the CPU
 * computes checksums of the data: then peer pages gain nothing.
 */
static bool find_slot(struct mddev *mddev, struct bio *bio, unsigned int *slot)
{
	struct md_rdev *rdev;

	rdev_for_each_rcu(rdev, mddev)
		if (rdev->bdev == bio->bi_bdev) {
			*slot = rdev->p2p_slot;
			return *slot < MD_P2P_SLOTS &&
			       !blk_get_integrity(rdev->bdev->bd_disk);
		}
	return false;
}

/* Asks what sync_request_write() and recovery_request_write() will ask. */
static bool is_written(struct mddev *mddev, struct bio *source, struct bio *bio)
{
	return bio && bio->bi_end_io && bio != source &&
	       (op_is_write(bio_op(bio)) ||
		test_bit(MD_RECOVERY_SYNC, &mddev->recovery));
}

/*
 * Finds another member that MD would read if it could not read @source. MD has a
 * bio for it, with the pages of @source, and the bio holds the member. raid10
 * has no such bio.
 */
static struct bio *find_other(struct mddev *mddev, struct bio *source,
			      struct bio **bios, int count)
{
	int i;

	for (i = 0; i < count; i++)
		if (bios[i] && bios[i] != source &&
		    bios[i]->bi_end_io == source->bi_end_io &&
		    !is_written(mddev, source, bios[i]))
			return bios[i];
	return NULL;
}

/* Returns the number of members that are written, 0 if a loan cannot be made. */
static unsigned int find_slots(struct mddev *mddev, struct bio *source,
			       struct bio **bios, int count, unsigned int *read,
			       u64 *written)
{
	unsigned int writes = 0, slot;
	int i;

	guard(rcu)();
	if (!find_slot(mddev, source, read))
		return 0;
	*written = 0;
	for (i = 0; i < count; i++) {
		if (!is_written(mddev, source, bios[i]))
			continue;
		if (!find_slot(mddev, bios[i], &slot))
			return 0;
		*written |= BIT_ULL(slot);
		writes++;
	}
	return writes;
}

static struct md_p2p_loan *new_loan(struct mddev *mddev, struct bio *source,
				    struct bio **bios, int count)
{
	struct md_p2p_loan *loan;
	unsigned int writes, read;
	u64 written;

	if (!mddev->p2p)
		return NULL;
	writes = find_slots(mddev, source, bios, count, &read, &written);
	if (!writes)
		return NULL;
	loan = kzalloc(struct_size(loan, write, writes),
		       GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN);
	if (!loan)
		return NULL;
	loan->max_writes = writes;
	loan->mddev = mddev;
	loan->other = find_other(mddev, source, bios, count);
	mutex_init(&loan->lock);
	loan->pages = md_p2p_glue_loan(mddev->p2p, read,
				       test_bit(MD_RECOVERY_SYNC,
						&mddev->recovery),
				       written, source->bi_iter.bi_size);
	if (loan->pages)
		return loan;
	kfree(loan);
	return NULL;
}

void md_p2p_rebuild_read(struct md_p2p_loan **owner, struct mddev *mddev,
			 struct bio *source, struct bio **bios, int count)
{
	struct md_p2p_loan *loan = new_loan(mddev, source, bios, count);

	*owner = loan;
	if (!loan) {
		submit_bio_noacct(source);
		return;
	}
	loan->owner = owner;
	prepare(&loan->read, loan, source, read_end_io, read_again);
	submit_bio_noacct(&loan->read.bio);
}
EXPORT_SYMBOL_GPL(md_p2p_rebuild_read);

void md_p2p_rebuild_write(struct md_p2p_loan *loan, struct bio *bio)
{
	struct loan_io *io;

	if (!loan) {
		submit_bio_noacct(bio);
		return;
	}
	if (WARN_ON_ONCE(loan->writes == loan->max_writes)) {
		bio_io_error(bio);
		return;
	}
	if (!loan->writes)
		loan->arrived = md_p2p_glue_loan_arrived(loan->pages);
	io = &loan->write[loan->writes];
	prepare(io, loan, bio, write_end_io, write_again);
	/* Only now find_write() may find it. */
	smp_store_release(&loan->writes, loan->writes + 1);
	if (loan->arrived)
		submit_bio_noacct(&io->bio);
	else
		io_again(io);
}
EXPORT_SYMBOL_GPL(md_p2p_rebuild_write);

/* Finds the loan's part of MD's write. Returns NULL if it had none. */
static const struct loan_io *find_write(const struct md_p2p_loan *loan,
					const struct bio *original)
{
	unsigned int writes, i;

	if (!loan)
		return NULL;
	/* md_p2p_rebuild_write() may be adding others. */
	writes = smp_load_acquire(&loan->writes);
	for (i = 0; i < writes; i++)
		if (loan->write[i].original == original)
			return &loan->write[i];
	return NULL;
}

bool md_p2p_rebuild_lost(const struct md_p2p_loan *loan, const struct bio *bio)
{
	const struct loan_io *io = find_write(loan, bio);

	return io && io->lost;
}
EXPORT_SYMBOL_GPL(md_p2p_rebuild_lost);

void md_p2p_rebuild_put(struct md_p2p_loan **owner)
{
	struct md_p2p_loan *loan = *owner;
	unsigned int i;

	if (!loan)
		return;
	*owner = NULL;
	bio_uninit(&loan->read.bio);
	for (i = 0; i < loan->writes; i++)
		bio_uninit(&loan->write[i].bio);
	md_p2p_glue_loan_end(loan->pages);
	if (loan->writes && !loan->failed)
		md_p2p_glue_loan_worked(loan->mddev->p2p);
	kfree(loan);
}
EXPORT_SYMBOL_GPL(md_p2p_rebuild_put);

void __md_p2p_rebuild_wrote(struct mddev *mddev, const struct md_p2p_loan *loan,
			    const struct bio *bio, unsigned int sectors)
{
	const struct loan_io *io = find_write(loan, bio);

	if (mddev->p2p && !test_bit(MD_RECOVERY_REQUESTED, &mddev->recovery))
		md_p2p_glue_count_rebuild(mddev->p2p, io && io->peer,
					  (u64)sectors << SECTOR_SHIFT);
}
EXPORT_SYMBOL_GPL(__md_p2p_rebuild_wrote);

void md_p2p_rebuild_starts(struct mddev *mddev)
{
	if (mddev->p2p)
		md_p2p_glue_rebuild_starts(mddev->p2p);
}
EXPORT_SYMBOL_GPL(md_p2p_rebuild_starts);

int shim_rebuild_init(void)
{
	again = alloc_workqueue("md_p2p_again", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return again ? 0 : -ENOMEM;
}

void shim_rebuild_exit(void)
{
	destroy_workqueue(again);
}
