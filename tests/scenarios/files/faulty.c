// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/faulty0 and so on: parts of drives that fail when they are told to, and
 * that can lose their power. They fail like a drive that cannot map a page, whose
 * transfer fails, or whose medium is bad. For the tests, because no topology makes
 * a drive say one thing and do another.
 *
 * A line in /sys/block/faultyN/fault arms a device:
 *
 *	WHAT OPS LATE COUNT START END
 *
 * WHAT is nothing, mapping, transfer, medium, gone or cut; OPS is read, write
 * or both; LATE is by how many tenths of a second the fault comes later than
 * what the other members do; COUNT is how many I/Os fail, or 0 for all; START
 * and END are sectors. A bad medium and a cut fail host memory too, the others
 * only peer memory. "gone" turns off the provider's memory, as if it were pulled
 * in this moment, and "cut" the power of all devices.
 *
 * A word in /sys/block/faultyN/supply turns the device "off": no I/O reaches it
 * from then on. Later it is on again, and holds what was written, "kept", or
 * what was flushed, "lost". The second needs cached=1, which has every write
 * remember what was there before.
 */
#include <linux/blkdev.h>
#include <linux/list.h>
#include <linux/memremap.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#define MOST 8

/* So many bytes are remembered at once, because more are not allocated in one piece. */
#define PIECE SZ_32K

static char *drives[MOST];
static int drives_count;
module_param_array(drives, charp, &drives_count, 0444);
MODULE_PARM_DESC(drives, "paths of the drives behind them");

static int count = 4;
module_param(count, int, 0444);
MODULE_PARM_DESC(count, "how many devices, spread over the drives");

static int size = 6;
module_param(size, int, 0444);
MODULE_PARM_DESC(size, "of each, in MiB");

static char *provider;
module_param(provider, charp, 0444);
MODULE_PARM_DESC(provider, "PCI address of the device that can be gone");

static bool cached;
module_param(cached, bool, 0444);
MODULE_PARM_DESC(cached, "writes can be lost until they are flushed");

enum what { NOTHING, MAPPING, TRANSFER, MEDIUM, GONE, CUT };

static const char * const whats[] = {
	"nothing", "mapping", "transfer", "medium", "gone", "cut"
};

enum ops { READ_ONLY, WRITE_ONLY, BOTH };

static const char * const opses[] = { "read", "write", "both" };

struct fault {
	int what;
	int ops;
	int late;
	unsigned int left;
	u64 start;
	u64 end;
};

struct faulty {
	struct file *behind;
	struct gendisk *disk;
	sector_t start;
	spinlock_t lock; /* of the fault, the hits and the memories */
	struct fault fault;
	unsigned int hits;
	bool off;
	atomic_t under_way; /* clones, and bios in the cache */
	wait_queue_head_t idle;
	struct workqueue_struct *cache; /* one after the other */
	struct list_head memories; /* the latest first */
};

/* The data that were there before a write. */
struct memory {
	struct list_head list;
	sector_t sector;
	unsigned int length;
	bool written;
	void *data; /* aligned for DMA, since it is allocated by itself */
};

/* A bio that ends later than it came. */
struct failing {
	struct delayed_work work;
	struct bio *bio;
	blk_status_t status;
	int what;
};

/* A bio in the cache. */
struct cached {
	struct work_struct work;
	struct faulty *faulty;
	struct bio *bio;
	struct list_head memories;
};

static struct faulty all[MOST];
static struct bio_set clones;
static struct workqueue_struct *queue;
static struct pci_dev *peer;

static u16 peer_command(void)
{
	u16 command;

	pci_read_config_word(peer, PCI_COMMAND, &command);
	return command;
}

static bool is_peer(struct bio *bio)
{
	return bio_has_data(bio) && is_pci_p2pdma_page(bio_page(bio));
}

static bool is_armed(const struct fault *fault, struct bio *bio)
{
	bool write = op_is_write(bio_op(bio));
	sector_t first = bio->bi_iter.bi_sector;

	if (fault->what == NOTHING || !bio_has_data(bio))
		return false;
	if (fault->what != MEDIUM && fault->what != CUT && !is_peer(bio))
		return false;
	if (fault->ops != BOTH && write != (fault->ops == WRITE_ONLY))
		return false;
	return first < fault->end && bio_end_sector(bio) > fault->start;
}

/* Returns the fault that this bio meets. A fault that is met often enough disarms itself. */
static struct fault met(struct faulty *faulty, struct bio *bio)
{
	struct fault found = { .what = NOTHING };

	spin_lock_irq(&faulty->lock);
	if (is_armed(&faulty->fault, bio)) {
		found = faulty->fault;
		if (found.left && !--faulty->fault.left)
			faulty->fault.what = NOTHING;
	} else if (is_peer(bio) && !(peer_command() & PCI_COMMAND_MEMORY)) {
		/* An emulated drive makes up data when the device has gone. */
		found.what = TRANSFER;
	}
	if (found.what != NOTHING)
		faulty->hits++;
	spin_unlock_irq(&faulty->lock);
	return found;
}

static blk_status_t status_of(int what)
{
	switch (what) {
	case MAPPING:
		return BLK_STS_INVAL;
	case MEDIUM:
		return BLK_STS_MEDIUM;
	default:
		return BLK_STS_IOERR;
	}
}

/* Ends a bio like a drive whose queue has split it: its beginning is lost. */
static void end_failed(struct bio *bio, blk_status_t status)
{
	if (is_peer(bio) && bio->bi_iter.bi_size > SECTOR_SIZE)
		bio_advance(bio, bio->bi_iter.bi_size - SECTOR_SIZE);
	bio->bi_status = status;
	bio_endio(bio);
}

static void fail_later(struct work_struct *work)
{
	struct failing *failing =
		container_of(to_delayed_work(work), struct failing, work);
	int i;

	if (failing->what == GONE)
		pci_write_config_word(peer, PCI_COMMAND,
				      peer_command() & ~PCI_COMMAND_MEMORY);
	for (i = 0; failing->what == CUT && i < count; i++)
		WRITE_ONCE(all[i].off, true);
	end_failed(failing->bio, failing->status);
	kfree(failing);
}

/* A mapping fails at once, as in a driver. Everything else fails later. */
static void fail(struct bio *bio, const struct fault *fault)
{
	struct failing *failing;

	if (fault->what == MAPPING && !fault->late) {
		end_failed(bio, status_of(fault->what));
		return;
	}
	failing = kmalloc(sizeof(*failing), GFP_NOIO | __GFP_NOFAIL);
	failing->bio = bio;
	failing->status = status_of(fault->what);
	failing->what = fault->what;
	INIT_DELAYED_WORK(&failing->work, fail_later);
	queue_delayed_work(queue, &failing->work, fault->late * HZ / 10);
}

static void no_longer_under_way(struct faulty *faulty)
{
	if (atomic_dec_and_test(&faulty->under_way))
		wake_up(&faulty->idle);
}

static void end_clone(struct bio *clone)
{
	struct bio *bio = clone->bi_private;
	struct faulty *faulty = bio->bi_bdev->bd_disk->private_data;

	bio->bi_status = clone->bi_status;
	bio_put(clone);
	bio_endio(bio);
	no_longer_under_way(faulty);
}

static struct bio *clone_for_drive(struct faulty *faulty, struct bio *bio)
{
	struct bio *clone = bio_alloc_clone(file_bdev(faulty->behind), bio,
					    GFP_NOIO, &clones);

	clone->bi_iter.bi_sector += faulty->start;
	clone->bi_private = bio;
	clone->bi_end_io = end_clone;
	return clone;
}

static void free_memory(struct memory *memory)
{
	kfree(memory->data);
	kfree(memory);
}

static void forget(struct list_head *memories)
{
	struct memory *memory, *next;

	list_for_each_entry_safe(memory, next, memories, list)
		free_memory(memory);
}

/* Data that were written before the flush came cannot be lost any more. */
static void flush_cache(struct faulty *faulty)
{
	struct memory *memory, *next;
	LIST_HEAD(safe);

	spin_lock_irq(&faulty->lock);
	list_for_each_entry_safe(memory, next, &faulty->memories, list)
		if (memory->written)
			list_move(&memory->list, &safe);
	spin_unlock_irq(&faulty->lock);
	forget(&safe);
}

static int remember(struct cached *cached, sector_t sector, unsigned int length)
{
	struct memory *memory = kzalloc(sizeof(*memory), GFP_NOIO);

	if (!memory)
		return -ENOMEM;
	list_add(&memory->list, &cached->memories);
	memory->sector = sector;
	memory->length = length;
	memory->data = kmalloc(length, GFP_NOIO);
	if (!memory->data)
		return -ENOMEM;
	return bdev_rw_virt(file_bdev(cached->faulty->behind), sector,
			    memory->data, length, REQ_OP_READ);
}

static int remember_all(struct cached *cached)
{
	sector_t sector = cached->bio->bi_iter.bi_sector + cached->faulty->start;
	unsigned int left = cached->bio->bi_iter.bi_size;
	int err = 0;

	while (!err && left) {
		unsigned int length = min_t(unsigned int, left, PIECE);

		err = remember(cached, sector, length);
		sector += length >> SECTOR_SHIFT;
		left -= length;
	}
	return err;
}

static void end_cached(struct bio *clone)
{
	struct cached *cached = clone->bi_private;
	struct faulty *faulty = cached->faulty;
	struct bio *bio = cached->bio;
	struct memory *memory;
	unsigned long flags;

	/* A write that has failed may have left anything. */
	spin_lock_irqsave(&faulty->lock, flags);
	list_for_each_entry(memory, &cached->memories, list)
		memory->written = true;
	list_splice(&cached->memories, &faulty->memories);
	spin_unlock_irqrestore(&faulty->lock, flags);
	bio->bi_status = clone->bi_status;
	bio_put(clone);
	kfree(cached);
	bio_endio(bio);
	no_longer_under_way(faulty);
}

/* A device may flush more than it has to, and flushes at every FUA. */
static void write_cached(struct work_struct *work)
{
	struct cached *cached = container_of(work, struct cached, work);
	struct faulty *faulty = cached->faulty;
	struct bio *bio = cached->bio;
	struct bio *clone;
	int err = 0;

	if (bio->bi_opf & (REQ_PREFLUSH | REQ_FUA))
		flush_cache(faulty);
	if (bio_has_data(bio) && !(bio->bi_opf & REQ_FUA))
		err = remember_all(cached);
	if (err || READ_ONCE(faulty->off)) {
		forget(&cached->memories);
		kfree(cached);
		bio_io_error(bio);
		no_longer_under_way(faulty);
		return;
	}
	clone = clone_for_drive(faulty, bio);
	clone->bi_private = cached;
	clone->bi_end_io = end_cached;
	submit_bio_noacct(clone);
}

static void submit_cached(struct faulty *faulty, struct bio *bio)
{
	struct cached *cached = kmalloc(sizeof(*cached), GFP_NOIO | __GFP_NOFAIL);

	cached->faulty = faulty;
	cached->bio = bio;
	INIT_LIST_HEAD(&cached->memories);
	INIT_WORK(&cached->work, write_cached);
	queue_work(faulty->cache, &cached->work);
}

static void faulty_submit_bio(struct bio *bio)
{
	struct faulty *faulty = bio->bi_bdev->bd_disk->private_data;
	struct fault fault;

	/* A process that turns the device off waits for all that came before. */
	atomic_inc(&faulty->under_way);
	if (READ_ONCE(faulty->off)) {
		bio_io_error(bio);
		no_longer_under_way(faulty);
		return;
	}
	fault = met(faulty, bio);
	if (fault.what != NOTHING) {
		fail(bio, &fault);
		no_longer_under_way(faulty);
		return;
	}
	if (faulty->cache && op_is_write(bio_op(bio)))
		submit_cached(faulty, bio);
	else
		submit_bio_noacct(clone_for_drive(faulty, bio));
}

static const struct block_device_operations faulty_ops = {
	.owner = THIS_MODULE,
	.submit_bio = faulty_submit_bio,
};

static ssize_t fault_store(struct device *dev, struct device_attribute *attr,
			   const char *buf, size_t length)
{
	struct faulty *faulty = dev_to_disk(dev)->private_data;
	char what[16], ops[16];
	struct fault fault;

	if (sscanf(buf, "%15s %15s %d %u %llu %llu", what, ops, &fault.late,
		   &fault.left, &fault.start, &fault.end) != 6)
		return -EINVAL;
	fault.what = match_string(whats, ARRAY_SIZE(whats), what);
	fault.ops = match_string(opses, ARRAY_SIZE(opses), ops);
	if (fault.what < 0 || fault.ops < 0)
		return -EINVAL;
	spin_lock_irq(&faulty->lock);
	faulty->fault = fault;
	faulty->hits = 0;
	spin_unlock_irq(&faulty->lock);
	return length;
}
static DEVICE_ATTR_WO(fault);

/* Undoes the writes that were not flushed, the latest first. */
static int lose(struct faulty *faulty)
{
	struct memory *memory;
	int err = 0;

	list_for_each_entry(memory, &faulty->memories, list)
		err = err ?: bdev_rw_virt(file_bdev(faulty->behind),
					  memory->sector, memory->data,
					  memory->length, REQ_OP_WRITE);
	return err;
}

static ssize_t supply_store(struct device *dev, struct device_attribute *attr,
			   const char *buf, size_t length)
{
	struct faulty *faulty = dev_to_disk(dev)->private_data;
	int err = 0;

	if (sysfs_streq(buf, "off")) {
		WRITE_ONCE(faulty->off, true);
		return length;
	}
	if (!sysfs_streq(buf, "kept") && !(cached && sysfs_streq(buf, "lost")))
		return -EINVAL;
	if (!faulty->off)
		return -EBUSY;
	wait_event(faulty->idle, !atomic_read(&faulty->under_way));
	if (sysfs_streq(buf, "lost"))
		err = lose(faulty);
	flush_cache(faulty);
	WRITE_ONCE(faulty->off, false);
	return err ?: length;
}
static DEVICE_ATTR_WO(supply);

static ssize_t hits_show(struct device *dev, struct device_attribute *attr, char *page)
{
	struct faulty *faulty = dev_to_disk(dev)->private_data;

	return sysfs_emit(page, "%u\n", READ_ONCE(faulty->hits));
}
static DEVICE_ATTR_RO(hits);

static struct attribute *faulty_attrs[] = {
	&dev_attr_fault.attr,
	&dev_attr_hits.attr,
	&dev_attr_supply.attr,
	NULL
};
ATTRIBUTE_GROUPS(faulty);

static int add_disk_before(struct faulty *faulty, int index)
{
	struct block_device *bdev = file_bdev(faulty->behind);
	struct queue_limits lim;
	struct gendisk *disk;
	int err;

	blk_set_stacking_limits(&lim);
	lim.features |= BLK_FEAT_PCI_P2PDMA;
	if (cached)
		lim.features |= BLK_FEAT_WRITE_CACHE | BLK_FEAT_FUA;
	queue_limits_stack_bdev(&lim, bdev, faulty->start, "faulty");
	disk = blk_alloc_disk(&lim, NUMA_NO_NODE);
	if (IS_ERR(disk))
		return PTR_ERR(disk);
	disk->fops = &faulty_ops;
	disk->private_data = faulty;
	snprintf(disk->disk_name, sizeof(disk->disk_name), "faulty%d", index);
	set_capacity(disk, (sector_t)size << (20 - SECTOR_SHIFT));
	err = device_add_disk(disk_to_dev(bdev->bd_disk)->parent, disk,
			      faulty_groups);
	if (err)
		put_disk(disk);
	else
		faulty->disk = disk;
	return err;
}

/* Takes the drives in turn, so that neighbours are on different drives. */
static int make(struct faulty *faulty, int index)
{
	const char *drive = drives[index % drives_count];
	struct file *file;

	spin_lock_init(&faulty->lock);
	init_waitqueue_head(&faulty->idle);
	INIT_LIST_HEAD(&faulty->memories);
	if (cached) {
		faulty->cache = alloc_ordered_workqueue("faulty%d", WQ_MEM_RECLAIM, index);
		if (!faulty->cache)
			return -ENOMEM;
	}
	faulty->start = (sector_t)(index / drives_count * size) << (20 - SECTOR_SHIFT);
	file = bdev_file_open_by_path(drive, BLK_OPEN_READ | BLK_OPEN_WRITE,
				      THIS_MODULE, NULL);
	if (IS_ERR(file))
		return PTR_ERR(file);
	faulty->behind = file;
	return add_disk_before(faulty, index);
}

static void unmake(struct faulty *faulty)
{
	if (faulty->disk) {
		del_gendisk(faulty->disk);
		put_disk(faulty->disk);
	}
	if (faulty->cache)
		destroy_workqueue(faulty->cache);
	forget(&faulty->memories);
	if (faulty->behind)
		bdev_fput(faulty->behind);
}

static struct pci_dev *find_provider(void)
{
	unsigned int domain, bus, dev, fn;

	if (!provider || sscanf(provider, "%x:%x:%x.%x", &domain, &bus, &dev, &fn) != 4)
		return NULL;
	return pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(dev, fn));
}

static void cleanup(void)
{
	int i;

	for (i = 0; i < MOST; i++)
		if (all[i].memories.next)
			unmake(&all[i]);
	if (queue)
		destroy_workqueue(queue);
	bioset_exit(&clones);
	pci_dev_put(peer);
}

static int __init faulty_init(void)
{
	int i, err;

	peer = find_provider();
	if (!peer || !drives_count || count > MOST)
		return -EINVAL;
	err = bioset_init(&clones, BIO_POOL_SIZE, 0, BIOSET_NEED_BVECS);
	queue = alloc_workqueue("faulty", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!err && !queue)
		err = -ENOMEM;
	for (i = 0; !err && i < count; i++)
		err = make(&all[i], i);
	if (err)
		cleanup();
	return err;
}
module_init(faulty_init);

static void __exit faulty_exit(void)
{
	cleanup();
}
module_exit(faulty_exit);

MODULE_DESCRIPTION("Drives that fail when they are told to");
MODULE_LICENSE("GPL");
