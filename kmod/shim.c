// SPDX-License-Identifier: GPL-2.0
/*
 * The plumbing between MD's C and the Rust glue: what needs the kernel's
 * macros and inline functions. Nothing is decided here.
 */
#include <linux/blkdev.h>
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/highmem.h>
#include <linux/kobject.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/percpu.h>
#include <linux/raid/md_p.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/swiotlb.h>
#include <linux/sysfs.h>
#include <linux/workqueue.h>

#include "md.h"
#include "md-bitmap.h"
#include "md_p2p.h"
#include "shim.h"

#define CREATE_TRACE_POINTS
#include "md_p2p_trace.h"

/* The lock of the registry */

static DEFINE_MUTEX(registry_lock);

unsigned int shim_lock(void)
{
	/* First the scope: a sleeper on the lock may hold an array suspended. */
	unsigned int noio = memalloc_noio_save();

	mutex_lock(&registry_lock);
	return noio;
}

void shim_unlock(unsigned int noio)
{
	mutex_unlock(&registry_lock);
	memalloc_noio_restore(noio);
}

/* RCU */

void *shim_rcu_dereference(void **slot)
{
	return rcu_dereference(*(void __rcu **)slot);
}

void *shim_rcu_exchange(void **slot, void *value)
{
	return xchg(slot, value);
}

void shim_rcu_synchronize(void)
{
	synchronize_rcu();
}

/* Counters */

struct values {
	u64 of[MD_P2P_COUNTERS];
};

struct md_p2p_counters {
	struct values __percpu *values;
};

struct md_p2p_counters *shim_counters_new(void)
{
	struct md_p2p_counters *counters = kzalloc(sizeof(*counters), GFP_KERNEL);

	if (!counters)
		return NULL;
	counters->values = alloc_percpu(struct values);
	if (!counters->values) {
		kfree(counters);
		return NULL;
	}
	return counters;
}

void shim_counters_free(struct md_p2p_counters *counters)
{
	free_percpu(counters->values);
	kfree(counters);
}

void shim_counters_add(struct md_p2p_counters *counters,
		       enum md_p2p_counter which, u64 value)
{
	this_cpu_add(counters->values->of[which], value);
}

u64 shim_counters_sum(const struct md_p2p_counters *counters,
		      enum md_p2p_counter which)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(counters->values, cpu)->of[which]);
	return sum;
}

void shim_counters_clear(struct md_p2p_counters *counters,
			 enum md_p2p_counter which)
{
	int cpu;

	for_each_possible_cpu(cpu)
		WRITE_ONCE(per_cpu_ptr(counters->values, cpu)->of[which], 0);
}

/* PCI devices */

struct pci_dev *shim_pci_next(struct pci_dev *from)
{
	/* pci_get_device() drops the reference of where it starts from. */
	return pci_get_device(PCI_ANY_ID, PCI_ANY_ID, pci_dev_get(from));
}

void shim_pci_get(struct pci_dev *dev)
{
	pci_dev_get(dev);
}

void shim_pci_put(struct pci_dev *dev)
{
	pci_dev_put(dev);
}

const char *shim_pci_name(const struct pci_dev *dev)
{
	return pci_name(dev);
}

u64 shim_pci_id(struct pci_dev *dev)
{
	return (u64)(u32)pci_domain_nr(dev->bus) << 16 | pci_dev_id(dev);
}

bool shim_pci_has_p2pdma(struct pci_dev *dev)
{
	return rcu_access_pointer(dev->p2pdma);
}

bool shim_pci_answers(struct pci_dev *dev)
{
	u16 command;

	/* A device that is gone answers with ones, and none sets all of them. */
	return !pci_read_config_word(dev, PCI_COMMAND, &command) &&
	       command != U16_MAX && (command & PCI_COMMAND_MEMORY);
}

bool shim_pci_p2pmem(struct pci_dev *dev, unsigned int bar, u64 from,
		     u64 *start, u64 *end)
{
	struct dev_pagemap *pages;
	u64 first, last;
	bool peer;

	if (bar >= PCI_STD_NUM_BARS || !pci_resource_len(dev, bar) ||
	    !(pci_resource_flags(dev, bar) & IORESOURCE_MEM))
		return false;
	first = pci_resource_start(dev, bar);
	last = pci_resource_end(dev, bar);
	/* Memory is added in whole subsections, but a BAR need not be one. */
	for (from = max(from, first); from <= last;
	     from = ALIGN(from + 1, SUBSECTION_SIZE)) {
		pages = get_dev_pagemap(PHYS_PFN(from));
		if (!pages)
			continue;
		*start = pages->range.start;
		*end = pages->range.end;
		peer = pages->type == MEMORY_DEVICE_PCI_P2PDMA;
		put_dev_pagemap(pages);
		if (peer && *start >= first && *end <= last)
			return true;
	}
	return false;
}

/*
 * Answers about distances are remembered under the client's address, for
 * whoever maps next: never ask about a device that is no longer the one there.
 */
static bool may_ask_about(struct pci_dev *dev)
{
	return device_is_registered(&dev->dev) && !pci_dev_is_disconnected(dev);
}

/*
 * What pci_p2pdma_distance() does not look at. The block layer takes the
 * failure to map for a passing one, and tries again for ever.
 */
static bool can_address(struct pci_dev *client, struct pci_dev *provider)
{
	struct device *dev = &client->dev;
	unsigned int bar;

	if (is_swiotlb_force_bounce(dev))
		return false;
	for (bar = 0; bar < PCI_STD_NUM_BARS; bar++)
		if (pci_resource_flags(provider, bar) & IORESOURCE_MEM &&
		    pci_resource_end(provider, bar) > dma_get_mask(dev))
			return false;
	return true;
}

int shim_pci_distance(struct pci_dev *provider, struct pci_dev *client)
{
	struct device *dev = &client->dev;

	if (!may_ask_about(client) || !may_ask_about(provider) ||
	    !can_address(client, provider))
		return -1;
	return pci_p2pdma_distance_many(provider, &dev, 1, false);
}

bool shim_pci_publishes(struct pci_dev *dev)
{
	struct device *client = &dev->dev;
	struct pci_dev *nearest;

	if (!may_ask_about(dev))
		return false;
	/* Of those that publish, nothing is nearer to a device than itself. */
	nearest = pci_p2pmem_find_many(&client, 1);
	pci_dev_put(nearest);
	return nearest == dev;
}

/* Members and arrays */

/* Whoever holds a disk keeps its ancestors. */
static struct pci_dev *pci_ancestor(struct device *dev)
{
	for (dev = dev->parent; dev; dev = dev->parent)
		if (dev_is_pci(dev))
			return pci_dev_get(to_pci_dev(dev));
	return NULL;
}

/*
 * An NVMe namespace that may have several paths is a disk without a PCI device,
 * nvme1n2, before one for each path, nvme1c0n2 (drivers/nvme/host/multipath.c).
 */
static bool is_path(const char *path, const char *head)
{
	unsigned int subsystem, namespace, other, controller, of;
	char more;

	return sscanf(head, "nvme%un%u%c", &subsystem, &namespace, &more) == 2 &&
	       sscanf(path, "nvme%uc%un%u%c", &other, &controller, &of,
		      &more) == 3 &&
	       other == subsystem && of == namespace;
}

unsigned int shim_member_clients(struct md_rdev *rdev, struct pci_dev **clients,
				 unsigned int max)
{
	struct gendisk *disk = rdev->bdev->bd_disk;
	struct class_dev_iter iter;
	unsigned int count = 0;
	struct device *path;

	clients[0] = pci_ancestor(disk_to_dev(disk));
	if (clients[0])
		return 1;

	class_dev_iter_init(&iter, disk_to_dev(disk)->class, NULL, NULL);
	while ((path = class_dev_iter_next(&iter))) {
		if (!is_path(dev_name(path), disk->disk_name))
			continue;
		if (count < max)
			clients[count] = pci_ancestor(path);
		if (count == max || !clients[count]) {
			for (; count; clients[count] = NULL)
				pci_dev_put(clients[--count]);
			break;
		}
		count++;
	}
	class_dev_iter_exit(&iter);
	return count;
}

bool shim_member_maps_peer(struct md_rdev *rdev)
{
	return blk_queue_pci_p2pdma(bdev_get_queue(rdev->bdev));
}

bool shim_member_is_journal(struct md_rdev *rdev)
{
	return test_bit(Journal, &rdev->flags);
}

void shim_member_set_slot(struct md_rdev *rdev, unsigned int slot)
{
	rdev->p2p_slot = slot;
}

int shim_member_name(struct md_rdev *rdev, char *name, size_t size)
{
	return scnprintf(name, size, "%pg", rdev->bdev);
}

const char *shim_array_name(struct mddev *mddev)
{
	return mdname(mddev);
}

int shim_array_level(struct mddev *mddev)
{
	return mddev->level;
}

bool shim_array_runs(struct mddev *mddev)
{
	return READ_ONCE(mddev->pers);
}

static void set_advertised(struct queue_limits *lim, bool advertise)
{
	if (advertise)
		lim->features |= BLK_FEAT_PCI_P2PDMA;
	else
		lim->features &= ~BLK_FEAT_PCI_P2PDMA;
}

bool shim_array_advertise(struct mddev *mddev, bool advertise)
{
	struct request_queue *q;
	struct queue_limits lim;

	/* Not started yet: md_p2p_stack_limits() will be asked. */
	if (!mddev->gendisk || !mddev->pers)
		return true;
	q = mddev->gendisk->queue;
	if (blk_queue_pci_p2pdma(q) == advertise)
		return true;
	/*
	 * Who holds the limits may be freezing the queue, and wait for I/O that
	 * waits for this suspended array: never wait for him.
	 */
	if (!mutex_trylock(&q->limits_lock))
		return false;
	lim = q->limits;
	set_advertised(&lim, advertise);
	if (queue_limits_commit_update(q, &lim))
		pr_warn("md-p2p: %s: could not set the queue limits\n",
			mdname(mddev));
	return true;
}

/* Coming and going, as md_p2p.h promises it to MD */

struct md_p2p_array *md_p2p_array_new(struct mddev *mddev)
{
	return md_p2p_glue_array_new(mddev);
}

void md_p2p_array_free(struct md_p2p_array *array)
{
	if (array)
		md_p2p_glue_array_free(array);
}

/* Neither MD's exit nor ours knows how to part with members. */
void md_p2p_member_added(struct md_rdev *rdev)
{
	__module_get(THIS_MODULE);
	if (rdev->mddev->p2p)
		md_p2p_glue_member_added(rdev->mddev->p2p, rdev);
}

void md_p2p_member_removed(struct md_rdev *rdev)
{
	if (rdev->mddev->p2p)
		md_p2p_glue_member_removed(rdev->mddev->p2p, rdev);
	module_put(THIS_MODULE);
}

/*
 * Or has another level. Some members turn out to be journals only when the
 * superblocks have been read; and only now does the queue take the answer.
 */
void md_p2p_array_started(struct mddev *mddev)
{
	struct md_rdev *rdev;

	if (!mddev->p2p)
		return;
	rdev_for_each(rdev, mddev)
		if (test_bit(Journal, &rdev->flags)) {
			md_p2p_glue_member_removed(mddev->p2p, rdev);
			rdev->p2p_slot = MD_P2P_SLOTS;
		}
	md_p2p_glue_array_started(mddev->p2p);
}

void md_p2p_stack_limits(struct mddev *mddev, struct queue_limits *lim)
{
	bool advertise = mddev->p2p &&
			 md_p2p_glue_advertises(mddev->p2p, mddev->level);

	set_advertised(lim, advertise);
}

/* The way of a peer bio */

u64 shim_peer_address(const struct bio *bio)
{
	return page_to_phys(bio->bi_io_vec[bio->bi_iter.bi_idx].bv_page);
}

/* @rdev is NULL if the decision is about all members. */
static void trace_route(struct mddev *mddev, struct md_rdev *rdev,
			struct bio *bio, enum md_p2p_route route)
{
	if (trace_md_p2p_route_enabled() && route != MD_P2P_LATER)
		trace_md_p2p_route(mddev->gendisk, rdev ? rdev->bdev : NULL,
				   bio, md_p2p_glue_provider(mddev->p2p,
							     shim_peer_address(bio)),
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
	/* What many are to get must not stay half done. */
	if ((route == MD_P2P_STAGED || route == MD_P2P_DIRECT) &&
	    !shim_can_stage(bio))
		route = MD_P2P_REFUSED;
	/* What many have got is told when it is done: see count(). */
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
	if (bio->bi_opf & MD_P2P_STAGED_CLONE)
		shim_charge(bio);
	if (!md_p2p_is_peer(bio) && !md_p2p_has_peer_integrity(bio))
		return false;
	if (!mddev->p2p) {
		refuse(bio);
		return true;
	}
	/* Nobody asks who reaches it. */
	if (md_p2p_has_peer_integrity(bio)) {
		refuse_peer(mddev, bio);
		return true;
	}
	/*
	 * Drivers that point a bio at pages of their own do not set it. Every way
	 * into an array passes here; md_p2p_allow_merge() keeps it from then on.
	 */
	bio->bi_opf |= REQ_NOMERGE;
	return takes(mddev, bio,
		     md_p2p_glue_route(mddev->p2p, shim_peer_address(bio),
				       mddev->level, op_is_write(bio_op(bio))));
}

static enum md_p2p_route route_to(struct md_rdev *rdev, const struct bio *bio)
{
	return md_p2p_glue_route_member(rdev->mddev->p2p,
					shim_peer_address(bio), rdev->p2p_slot);
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
	return takes(mddev, bio, md_p2p_glue_route_cached(mddev->p2p));
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
		ring->members = md_p2p_glue_ring(mddev->p2p, shim_peer_address(bio),
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

bool __md_p2p_may_copy(struct mddev *mddev)
{
	return md_p2p_glue_route_cached(mddev->p2p) == MD_P2P_CACHED;
}
EXPORT_SYMBOL_GPL(__md_p2p_may_copy);

bool __md_p2p_must_stage(struct md_rdev *rdev, struct bio *bio)
{
	return route_to(rdev, bio) != MD_P2P_DIRECT;
}
EXPORT_SYMBOL_GPL(__md_p2p_must_stage);

/*
 * p2pmem is mapped uncached, where every access is a transaction on the bus,
 * and memcpy() may go byte by byte.
 */
static void copy_words(u64 *to, const u64 *from, size_t words)
{
	while (words--)
		WRITE_ONCE(*to++, READ_ONCE(*from++));
}

/* Within one page each, of which one or both may be peer pages. */
void md_p2p_copy(struct page *dest, size_t dest_offset, struct page *src,
		 size_t src_offset, size_t len)
{
	void *to = kmap_local_page(dest) + dest_offset;
	const void *from = kmap_local_page(src) + src_offset;

	if (IS_ALIGNED((unsigned long)to | (unsigned long)from | len, 8))
		copy_words(to, from, len / 8);
	else
		memcpy(to, from, len);
	kunmap_local(from);
	kunmap_local(to);
}
EXPORT_SYMBOL_GPL(md_p2p_copy);

/* As bio_copy_data(), but fit for uncached memory. */
void md_p2p_copy_data(struct bio *to, struct bvec_iter to_iter,
		      struct bio *from, struct bvec_iter from_iter)
{
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
EXPORT_SYMBOL_GPL(md_p2p_copy_data);

/* Whether the provider is there */

static u64 word_at(struct page *page, unsigned int offset)
{
	u64 *words = kmap_local_page(page);
	u64 word = READ_ONCE(words[offset / sizeof(*words)]);

	kunmap_local(words);
	return word;
}

/*
 * The first page's last word. Reading it also makes what the CPU has written
 * into the provider's memory arrive there, which PCI may have let wait.
 */
static u64 peer_word(const struct bio *bio)
{
	struct bio_vec vec = bio_iovec(bio);

	/* First what the CPU has written, then the read. */
	wmb();
	return word_at(vec.bv_page, vec.bv_offset + vec.bv_len - 1);
}

/* Where a device is gone, the CPU reads ones. */
bool shim_answers(const struct md_p2p_array *array, const struct bio *bio)
{
	u64 word = peer_word(bio);
	int answers = md_p2p_glue_answers(array, shim_peer_address(bio));

	return answers < 0 ? word != U64_MAX : answers;
}

/* Accounting */

void __md_p2p_io_start(struct md_io_clone *io, struct bio *bio)
{
	io->p2p_bytes = bio->bi_iter.bi_size;
	io->p2p_direct = !raid_is_456(io->mddev);
	io->p2p_refused = false;
	io->p2p_lost = false;
	io->p2p_due = false;
	io->p2p_settled = false;
	io->p2p_cached = !io->p2p_direct;
	io->p2p_slot = MD_P2P_SLOTS;
	io->p2p_rdev = NULL;
	bio_list_init(&io->p2p_parts);
	INIT_LIST_HEAD(&io->p2p_node);
}

/* Write-behind, and a read that failed and goes through the stripe cache. */
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

/* The array's sectors from @sector on, which the member has from @to on. */
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

/* raid0 and linear submit the clone itself, whose sector is the member's. */
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
		/* Refused too: it was not when the member was chosen. */
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

/*
 * A resync that is due: the members may differ between p2p_due - 1 and
 * p2p_due_end. It is remembered until MD begins with it, since what runs now may
 * have passed that place, and may set resync_offset when it ends.
 */
static DEFINE_SPINLOCK(due_lock);

/* Whether a member is being brought in sync. Any context. */
static bool is_incomplete(struct mddev *mddev)
{
	struct md_rdev *rdev;
	bool incomplete = false;

	rcu_read_lock();
	rdev_for_each_rcu(rdev, mddev)
		if (rdev->raid_disk >= 0 &&
		    !test_bit(Journal, &rdev->flags) &&
		    !test_bit(Faulty, &rdev->flags) &&
		    !test_bit(In_sync, &rdev->flags) &&
		    rdev->recovery_offset < MaxSector)
			incomplete = true;
	rcu_read_unlock();
	return incomplete;
}

/*
 * After a resync, MD takes mirrors for whole that it has been bringing in sync.
 * With such ones it has to begin where they do.
 */
static void lower_resync_offset(struct mddev *mddev)
{
	sector_t from;

	lockdep_assert_held(&due_lock);
	if (!mddev->p2p_due)
		return;
	from = is_incomplete(mddev) ? 0 : mddev->p2p_due - 1;
	if (from < READ_ONCE(mddev->resync_offset))
		WRITE_ONCE(mddev->resync_offset, from);
}

/* From now on MD reads one member there, and says "dirty". Any context. */
static void set_due(struct mddev *mddev, sector_t sector, sector_t end)
{
	unsigned long flags;

	spin_lock_irqsave(&due_lock, flags);
	if (!mddev->p2p_due || sector < mddev->p2p_due - 1)
		mddev->p2p_due = sector + 1;
	mddev->p2p_due_end = max(mddev->p2p_due_end, end);
	lower_resync_offset(mddev);
	spin_unlock_irqrestore(&due_lock, flags);
}

/* MD has set resync_offset to where it has come to. */
void md_p2p_resync_passed(struct mddev *mddev)
{
	unsigned long flags;

	spin_lock_irqsave(&due_lock, flags);
	lower_resync_offset(mddev);
	spin_unlock_irqrestore(&due_lock, flags);
}

/* As if somebody had written to md/bitmap_set_bits. Sleeps. */
static void set_bits(struct mddev *mddev, sector_t sector, sector_t end)
{
	sector_t chunk = mddev->bitmap_info.chunksize;

	/* The lockless bitmap counts it in sectors. */
	if (mddev->bitmap_id != ID_LLBITMAP)
		chunk >>= SECTOR_SHIFT;
	if (chunk && md_bitmap_enabled(mddev, false))
		mddev->bitmap_ops->dirty_bits(mddev, div64_u64(sector, chunk),
					      div64_u64(end - 1, chunk));
}

/* The array has been stopped: the next one of this name owes nothing. */
void md_p2p_resync_forgotten(struct mddev *mddev)
{
	spin_lock_irq(&due_lock);
	mddev->p2p_due = 0;
	mddev->p2p_due_end = 0;
	spin_unlock_irq(&due_lock);
}

/*
 * MD is about to choose what to do, and nothing runs. It would let a check that
 * somebody has asked for pass for the resync, which it does not repair anything in.
 */
void md_p2p_resync_due(struct mddev *mddev)
{
	bool mirrors = mddev->level == 1 || mddev->level == 10;
	sector_t due, end;

	spin_lock_irq(&due_lock);
	due = mddev->p2p_due;
	end = mddev->p2p_due_end;
	lower_resync_offset(mddev);
	mddev->p2p_due = 0;
	mddev->p2p_due_end = 0;
	/* The superblock may say so for an array that was stopped meanwhile. */
	if (mirrors && mddev->resync_offset < MaxSector && is_incomplete(mddev))
		WRITE_ONCE(mddev->resync_offset, 0);
	spin_unlock_irq(&due_lock);
	if (mddev->resync_offset == MaxSector)
		return;
	/* What is asked for beside it would keep the resync from mending anything. */
	clear_bit(MD_RECOVERY_CHECK, &mddev->recovery);
	clear_bit(MD_RECOVERY_REQUESTED, &mddev->recovery);
	if (!due)
		return;
	/* Of the recovery before: what is dirty now is not in its midst. */
	clear_bit(MD_RECOVERY_RECOVER, &mddev->recovery);
	set_bits(mddev, due - 1, end);
}

/*
 * What the thread was made for, if that is a reshape or a recovery. md_sync_action()
 * says "resync" whenever resync_offset has come to be lower since.
 */
enum sync_action md_p2p_chosen_action(struct mddev *mddev)
{
	enum sync_action action = md_sync_action(mddev);

	if (action != ACTION_RESYNC)
		return action;
	if (test_bit(MD_RECOVERY_RESHAPE, &mddev->recovery))
		return ACTION_RESHAPE;
	/* It is chosen anew then. */
	return test_bit(MD_RECOVERY_SYNC, &mddev->recovery) ? action :
							      ACTION_IDLE;
}

static bool is_unclean(const struct mdp_superblock_1 *sb)
{
	return le64_to_cpu(sb->resync_offset) != MaxSector &&
	       !(le32_to_cpu(sb->feature_map) & MD_FEATURE_RESHAPE_ACTIVE);
}

/* Whether a mirror that was being recovered is recovered from its beginning. */
bool md_p2p_recovers_anew(const struct mdp_superblock_1 *sb)
{
	u32 level = le32_to_cpu(sb->level);

	return (level == 1 || level == 10) && is_unclean(sb);
}

/* For the kernel's md, which would believe what such a member of raid10 holds. */
bool md_p2p_is_told_spare(const struct mdp_superblock_1 *sb,
			  const struct md_rdev *rdev)
{
	return le32_to_cpu(sb->level) == 10 && is_unclean(sb) &&
	       !test_bit(Replacement, &rdev->flags);
}

/* A resync has come to its end, but has not been all that a member needs. */
bool md_p2p_recovery_follows(struct mddev *mddev)
{
	return test_bit(MD_RECOVERY_SYNC, &mddev->recovery) &&
	       is_incomplete(mddev);
}
EXPORT_SYMBOL_GPL(md_p2p_recovery_follows);

static void lose(struct md_io_clone *io)
{
	sector_t sector = io->orig_bio->bi_iter.bi_sector;

	set_due(io->mddev, sector, sector + bio_sectors(io->orig_bio));
}

static void ask_for_resync(struct mddev *mddev)
{
	set_bit(MD_RECOVERY_NEEDED, &mddev->recovery);
	md_wakeup_thread(mddev->thread);
}

void shim_resync(struct md_io_clone *io)
{
	struct mddev *mddev = io->mddev;
	sector_t sector = io->orig_bio->bi_iter.bi_sector;

	pr_warn_ratelimited("md-p2p: %s: what was written at sector %llu may have reached some members only: a resync is due\n",
			    mdname(mddev), (unsigned long long)sector);
	/* The bits stay so, should the power fail before that begins. */
	set_bits(mddev, sector, sector + bio_sectors(io->orig_bio));
	lose(io);
	ask_for_resync(mddev);
}

/* The array must not become clean: what md_write_inc() takes is held so long. */
static void lose_write(struct md_io_clone *io)
{
	lose(io);
	if (!xchg(&io->p2p_due, true))
		md_write_inc(io->mddev, &io->bio_clone);
}

static enum md_p2p_end direct_ended(struct md_rdev *rdev, struct md_io_clone *io,
				    struct bio *bio, sector_t sector,
				    sector_t to, unsigned int sectors)
{
	struct md_p2p_array *array = io->mddev->p2p;
	bool write = op_is_write(bio_op(bio));

	if (!bio->bi_status) {
		md_p2p_glue_way_worked(array, shim_peer_address(io->orig_bio),
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
	/* BLK_STS_INVAL is what a member says that cannot map a peer page. */
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
		/* The member did what it was asked for: it was the way. */
		if (!bio->bi_status)
			md_p2p_glue_way_failed(io->mddev->p2p,
					       shim_peer_address(io->orig_bio),
					       rdev->p2p_slot);
		return MD_P2P_ENDED;
	case SHIM_LOST:
		io->p2p_lost = true;
		return MD_P2P_EXCUSED;
	default:
		return MD_P2P_ENDED;
	}
}

enum md_p2p_end __md_p2p_member_ended(struct md_rdev *rdev, struct bio *clone,
				      struct bio *bio, sector_t sector,
				      sector_t to, unsigned int sectors)
{
	struct md_io_clone *io = md_p2p_io(clone);
	bool write = op_is_write(bio_op(bio));
	enum md_p2p_end end = part_ended(rdev, io, bio, sector, to, sectors);

	if (end == MD_P2P_EXCUSED && write)
		lose_write(io);
	/* Another member has what one did not give. */
	if (end == MD_P2P_ENDED && !bio->bi_status && !write)
		io->p2p_refused = false;
	return end;
}
EXPORT_SYMBOL_GPL(__md_p2p_member_ended);

static void count(struct md_io_clone *io, bool write)
{
	struct md_p2p_array *array = io->mddev->p2p;

	if (!io->p2p_bytes)
		return;
	md_p2p_glue_count(array, write, io->p2p_direct, io->p2p_bytes);
	if (!io->p2p_direct || io->p2p_rdev)
		return;
	if (io->p2p_slot < MD_P2P_SLOTS)
		md_p2p_glue_count_member(array, io->p2p_slot, write,
					 io->p2p_bytes);
	else if (write)
		trace_route(io->mddev, NULL, io->orig_bio, MD_P2P_DIRECT);
}

/*
 * What the CPU copied without the stager: raid4/5/6, write-behind. What was
 * copied of a provider that is gone is anything.
 */
static bool copies_arrived(struct md_io_clone *io)
{
	return !io->p2p_cached || shim_answers(io->mddev->p2p, io->orig_bio);
}

/* The application is told what it is told where peer memory is not taken. */
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

bool __md_p2p_io_end(struct md_io_clone *io)
{
	struct md_p2p_stager *stager = md_p2p_glue_stager(io->mddev->p2p);
	struct bio *clone = &io->bio_clone;
	bool write = op_is_write(bio_op(clone));

	/* raid0 and linear: it is the member's bio, too. */
	if (io->p2p_rdev &&
	    part_ended(io->p2p_rdev, io, clone,
		       io->orig_bio->bi_iter.bi_sector, io->p2p_to,
		       bio_sectors(io->orig_bio)) == MD_P2P_AGAIN)
		return true;
	if (io->p2p_due && !io->p2p_settled && stager) {
		io->p2p_settled = true;
		shim_settle(stager, io);
		return true;
	}
	set_status(io, write);
	if (!clone->bi_status)
		count(io, write);
	if (io->p2p_due) {
		if (!io->p2p_settled)
			ask_for_resync(io->mddev);
		md_write_end(io->mddev);
	}
	return false;
}

/* sysfs: one value a file */

#define P2P_COUNTER(_file, _which)					\
static ssize_t _file##_show(struct mddev *mddev, char *page)		\
{									\
	if (!mddev->p2p)						\
		return -ENOMEM;						\
	return md_p2p_glue_show_counter(mddev->p2p, _which, page,	\
					PAGE_SIZE);			\
}									\
static struct md_sysfs_entry _file = __ATTR_RO(_file)

P2P_COUNTER(p2pdma_read_direct_bytes, MD_P2P_READ_DIRECT_BYTES);
P2P_COUNTER(p2pdma_read_direct_ios, MD_P2P_READ_DIRECT_IOS);
P2P_COUNTER(p2pdma_read_staged_bytes, MD_P2P_READ_STAGED_BYTES);
P2P_COUNTER(p2pdma_read_staged_ios, MD_P2P_READ_STAGED_IOS);
P2P_COUNTER(p2pdma_write_direct_bytes, MD_P2P_WRITE_DIRECT_BYTES);
P2P_COUNTER(p2pdma_write_direct_ios, MD_P2P_WRITE_DIRECT_IOS);
P2P_COUNTER(p2pdma_write_staged_bytes, MD_P2P_WRITE_STAGED_BYTES);
P2P_COUNTER(p2pdma_write_staged_ios, MD_P2P_WRITE_STAGED_IOS);
P2P_COUNTER(p2pdma_refused_ios, MD_P2P_REFUSED_IOS);
P2P_COUNTER(p2pdma_rebuild_peer_bytes, MD_P2P_REBUILD_PEER_BYTES);
P2P_COUNTER(p2pdma_rebuild_host_bytes, MD_P2P_REBUILD_HOST_BYTES);

static ssize_t p2pdma_state_show(struct mddev *mddev, char *page)
{
	if (!mddev->p2p)
		return -ENOMEM;
	return md_p2p_glue_show_state(mddev->p2p, mddev->pers, mddev->level,
				      page, PAGE_SIZE);
}
static struct md_sysfs_entry p2pdma_state = __ATTR_RO(p2pdma_state);

static ssize_t p2pdma_reason_show(struct mddev *mddev, char *page)
{
	if (!mddev->p2p)
		return -ENOMEM;
	return md_p2p_glue_show_reason(mddev->p2p, page, PAGE_SIZE);
}

static struct md_sysfs_entry p2pdma_reason = __ATTR_RO(p2pdma_reason);

static ssize_t p2pdma_policy_show(struct mddev *mddev, char *page)
{
	if (!mddev->p2p)
		return -ENOMEM;
	return md_p2p_glue_show_policy(mddev->p2p, page, PAGE_SIZE);
}

static ssize_t p2pdma_policy_store(struct mddev *mddev, const char *page,
				   size_t length)
{
	if (!mddev->p2p)
		return -ENOMEM;
	return md_p2p_glue_store_policy(mddev->p2p, page, length) ?
	       length : -EINVAL;
}

static struct md_sysfs_entry p2pdma_policy = __ATTR_RW(p2pdma_policy);

static ssize_t p2pdma_provider_show(struct mddev *mddev, char *page)
{
	/* Not one that waits for its start, or for another array's. */
	bool rebuilding = test_bit(MD_RECOVERY_RUNNING, &mddev->recovery) &&
			  !test_bit(MD_RECOVERY_REQUESTED, &mddev->recovery) &&
			  READ_ONCE(mddev->curr_resync) > MD_RESYNC_ACTIVE;

	if (!mddev->p2p)
		return -ENOMEM;
	return md_p2p_glue_show_provider(mddev->p2p, rebuilding, page,
					 PAGE_SIZE);
}

static ssize_t p2pdma_provider_store(struct mddev *mddev, const char *page,
				     size_t length)
{
	int ret;

	if (!mddev->p2p)
		return -ENOMEM;
	ret = md_p2p_glue_store_provider(mddev->p2p, page, length);
	return ret ?: length;
}

static struct md_sysfs_entry p2pdma_provider = __ATTR_RW(p2pdma_provider);

static struct attribute *array_attrs[] = {
	&p2pdma_policy.attr,
	&p2pdma_state.attr,
	&p2pdma_reason.attr,
	&p2pdma_read_direct_bytes.attr,
	&p2pdma_read_direct_ios.attr,
	&p2pdma_read_staged_bytes.attr,
	&p2pdma_read_staged_ios.attr,
	&p2pdma_write_direct_bytes.attr,
	&p2pdma_write_direct_ios.attr,
	&p2pdma_write_staged_bytes.attr,
	&p2pdma_write_staged_ios.attr,
	&p2pdma_refused_ios.attr,
	&p2pdma_provider.attr,
	&p2pdma_rebuild_peer_bytes.attr,
	&p2pdma_rebuild_host_bytes.attr,
	NULL,
};

static const struct attribute_group array_group = {
	.attrs = array_attrs,
};

void md_p2p_show_array(struct mddev *mddev)
{
	struct kobject *disk = &disk_to_dev(mddev->gendisk)->kobj;

	if (sysfs_create_group(&mddev->kobj, &array_group) ||
	    sysfs_create_link(disk, &mddev->kobj, "device"))
		pr_warn("md-p2p: %s: some p2pdma files are missing in sysfs\n",
			mdname(mddev));
}

ssize_t md_p2p_show_distance(struct md_rdev *rdev, char *page)
{
	struct mddev *mddev = READ_ONCE(rdev->mddev);

	if (!mddev || !mddev->p2p)
		return -ENODEV;
	return md_p2p_glue_show_distance(mddev->p2p, rdev, page, PAGE_SIZE);
}

static ssize_t show_member_bytes(struct md_rdev *rdev, bool write, char *page)
{
	struct mddev *mddev = READ_ONCE(rdev->mddev);

	if (!mddev || !mddev->p2p)
		return -ENODEV;
	return md_p2p_glue_show_member_bytes(mddev->p2p, rdev->p2p_slot, write,
					     page, PAGE_SIZE);
}

ssize_t md_p2p_show_read_bytes(struct md_rdev *rdev, char *page)
{
	return show_member_bytes(rdev, false, page);
}

ssize_t md_p2p_show_write_bytes(struct md_rdev *rdev, char *page)
{
	return show_member_bytes(rdev, true, page);
}

/* Providers that come and go */

static void providers_changed(struct work_struct *work)
{
	md_p2p_glue_providers_changed();
}
static DECLARE_DELAYED_WORK(providers_work, providers_changed);

void shim_look_for_providers(void)
{
	/* Drivers bind in bursts, and a busy queue wants a moment. */
	schedule_delayed_work(&providers_work, msecs_to_jiffies(20));
}

static int pci_event(struct notifier_block *nb, unsigned long event,
		     void *data)
{
	switch (event) {
	case BUS_NOTIFY_BOUND_DRIVER:
	case BUS_NOTIFY_UNBOUND_DRIVER:
	case BUS_NOTIFY_REMOVED_DEVICE:
		/* The device is locked here, and distances take time. */
		shim_look_for_providers();
	}
	return NOTIFY_DONE;
}

static struct notifier_block pci_notifier = {
	.notifier_call = pci_event,
};

/* The policy of new arrays */

static char default_policy[8] = "auto";

static int set_default_policy(const char *word, const struct kernel_param *kp)
{
	if (md_p2p_glue_parse_policy(word, strlen(word)) < 0)
		return -EINVAL;
	return param_set_copystring(word, kp);
}

static const struct kernel_param_ops default_policy_ops = {
	.set = set_default_policy,
	.get = param_get_string,
};

static struct kparam_string default_policy_string = {
	.maxlen = sizeof(default_policy),
	.string = default_policy,
};

module_param_cb(p2pdma_policy, &default_policy_ops, &default_policy_string,
		0644);
MODULE_PARM_DESC(p2pdma_policy, "p2pdma_policy of new arrays: auto, direct or off");

int shim_default_policy(void)
{
	return md_p2p_glue_parse_policy(default_policy, strlen(default_policy));
}

/* Coming and going of the driver */

int md_p2p_register_blkdev(void (*probe)(dev_t devt))
{
	int ret = shim_rebuild_init();

	if (ret)
		return ret;
	ret = shim_names_take(probe);
	if (ret) {
		shim_rebuild_exit();
		return ret;
	}

	bus_register_notifier(&pci_bus_type, &pci_notifier);
	md_p2p_glue_providers_changed();
	return 0;
}

void md_p2p_unregister_blkdev(void)
{
	bus_unregister_notifier(&pci_bus_type, &pci_notifier);
	cancel_delayed_work_sync(&providers_work);
	md_p2p_glue_exit();
	shim_names_leave();
	shim_rebuild_exit();
}
