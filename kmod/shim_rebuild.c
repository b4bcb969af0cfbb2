// SPDX-License-Identifier: GPL-2.0
/*
 * Rebuilds of mirrors through peer pages: the plumbing.
 *
 * MD's buffers keep their host pages, and each read of a rebuild may have a
 * loan of peer pages besides. Then bios of the loan's go to the members in
 * place of MD's own, which are ended as these end. What fails is done once more
 * with MD's own bio, so that MD sees no error but those of host memory; and
 * where even the data are lost, MD blames nobody for it.
 *
 * All that a loan may need is in it: once it is made nothing is allocated, and
 * nothing waits for another loan.
 */
#include <linux/bio.h>
#include <linux/blk-integrity.h>
#include <linux/blkdev.h>
#include <linux/ktime.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/pci-p2pdma.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "md.h"
#include "md_p2p.h"
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

static unsigned int rebuild_share = 25;

static int set_rebuild_share(const char *word, const struct kernel_param *kp)
{
	return param_set_uint_minmax(word, kp, 0, 100);
}

static const struct kernel_param_ops rebuild_share_ops = {
	.set = set_rebuild_share,
	.get = param_get_uint,
};

module_param_cb(p2pdma_rebuild_share, &rebuild_share_ops, &rebuild_share, 0644);
MODULE_PARM_DESC(p2pdma_rebuild_share, "percent of a provider's p2pmem that rebuilds may take: 0 to 100");

unsigned int shim_rebuild_share(void)
{
	return READ_ONCE(rebuild_share);
}

u64 shim_milliseconds(void)
{
	return ktime_to_ms(ktime_get());
}

u64 shim_random(void)
{
	return get_random_u64();
}

/* Peer pages */

/*
 * pci_alloc_p2pmem() takes it that there is a pool, which a device of which the
 * driver has changed meanwhile need not have. Its first pages come after it, and
 * go before it.
 */
static void *alloc_p2pmem(struct pci_dev *provider, u64 window, size_t size)
{
	struct dev_pagemap *pages = get_dev_pagemap(PHYS_PFN(window));
	void *p2pmem = NULL;

	if (!pages)
		return NULL;
	if (pages->type == MEMORY_DEVICE_PCI_P2PDMA)
		p2pmem = pci_alloc_p2pmem(provider, size);
	put_dev_pagemap(pages);
	return p2pmem;
}

/*
 * As p2pmem_alloc_mmap() of drivers/pci/p2pdma.c: the pool counts one use of
 * the memory for each allocation, but takes back page by page.
 */
void *shim_peer_pages_alloc(struct pci_dev *provider, u64 window,
			    unsigned int count)
{
	void *first = alloc_p2pmem(provider, window, count * PAGE_SIZE);
	struct percpu_ref *in_use;
	unsigned int i;

	if (!first)
		return NULL;
	in_use = &page_pgmap(virt_to_page(first))->ref;
	percpu_ref_get_many(in_use, count - 1);
	for (i = 0; i < count; i++) {
		struct page *page = virt_to_page(first + i * PAGE_SIZE);

		VM_WARN_ON_ONCE_PAGE(page_ref_count(page), page);
		set_page_count(page, 1);
	}
	return first;
}

void shim_peer_pages_put(void *first, unsigned int count)
{
	while (count--)
		put_page(virt_to_page(first + count * PAGE_SIZE));
}

/* Once more, with MD's own bio. Submitting it may sleep. */

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

/* No member can have changed: MD lets no write of the array's to them. */
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

/* Slow. False if the memory cannot be trusted to have the data. */
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
 * The member that was read may have gone meanwhile, with the provider or alone:
 * the data may be elsewhere.
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
	/* When it has ended, the loan may be gone. */
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
	/* As bio_add_page() does: see md_p2p_allow_merge(). */
	bio->bi_opf |= REQ_NOMERGE;
}

/* Making loans */

/* Where the CPU computes checksums of the data, peer pages gain nothing. */
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

/* As sync_request_write() and recovery_request_write() will ask. */
static bool is_written(struct mddev *mddev, struct bio *source, struct bio *bio)
{
	return bio && bio->bi_end_io && bio != source &&
	       (op_is_write(bio_op(bio)) ||
		test_bit(MD_RECOVERY_SYNC, &mddev->recovery));
}

/*
 * One more that MD would read if it could not read @source: MD's bio for it is
 * there, has the same pages, and holds the member. In raid10 there is none.
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

/* Returns the number of members that are written, 0 if it cannot be done. */
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
	/* Only now it may be found. */
	smp_store_release(&loan->writes, loan->writes + 1);
	if (loan->arrived)
		submit_bio_noacct(&io->bio);
	else
		io_again(io);
}
EXPORT_SYMBOL_GPL(md_p2p_rebuild_write);

/* Of MD's write that has ended; NULL if it never was a loan's. */
static const struct loan_io *find_write(const struct md_p2p_loan *loan,
					const struct bio *original)
{
	unsigned int writes, i;

	if (!loan)
		return NULL;
	/* Others may be on their way in: see md_p2p_rebuild_write(). */
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

/* Its I/O has ended, if there was any. Does not sleep. */
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
