// SPDX-License-Identifier: GPL-2.0
/*
 * Does I/O once, as drivers of GPUs do it for their applications: with bios that
 * point at the driver's own page tables. The block layer does not look at their
 * pages, and so does not set REQ_NOMERGE.
 */
#include <linux/blkdev.h>
#include <linux/kernel_read_file.h>
#include <linux/module.h>
#include <linux/pci-p2pdma.h>
#include <linux/vmalloc.h>

static char *target;
module_param(target, charp, 0444);
MODULE_PARM_DESC(target, "path of the block device");

static bool write;
module_param(write, bool, 0444);
MODULE_PARM_DESC(write, "write the data, else read and compare");

static char *file;
module_param(file, charp, 0444);
MODULE_PARM_DESC(file, "what is written, or must be read, from the device's start on");

static char *order;
module_param(order, charp, 0444);
MODULE_PARM_DESC(order, "a letter for each page, over and over: h host memory, a, b, ... that of the first provider, the second, ...");

static char *providers[2];
static int provider_count;
module_param_array(providers, charp, &provider_count, 0444);
MODULE_PARM_DESC(providers, "PCI addresses");

/* A page, and the bio that points at it. */
struct piece {
	struct pci_dev *provider;	/* NULL is host memory */
	void *memory;
	struct bio_vec bvec;
	struct bio bio;
};

static struct piece *pieces;
static int count;
static atomic_t pending;
static DECLARE_COMPLETION(all_ended);

static struct pci_dev *find_provider(const char *address)
{
	unsigned int domain, bus, device, function;

	if (sscanf(address, "%x:%x:%x.%x", &domain, &bus, &device, &function) != 4)
		return NULL;
	return pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(device, function));
}

static int allocate(struct piece *piece, char kind)
{
	if (kind == 'h') {
		piece->memory = (void *)get_zeroed_page(GFP_KERNEL);
		return piece->memory ? 0 : -ENOMEM;
	}
	if (kind < 'a' || kind >= 'a' + provider_count)
		return -EINVAL;
	piece->provider = find_provider(providers[kind - 'a']);
	if (!piece->provider)
		return -ENODEV;
	piece->memory = pci_alloc_p2pmem(piece->provider, PAGE_SIZE);
	if (!piece->memory)
		return -ENOMEM;
	memset(piece->memory, 0, PAGE_SIZE);
	return 0;
}

static void release(struct piece *piece)
{
	if (!piece->provider) {
		free_page((unsigned long)piece->memory);
		return;
	}
	if (piece->memory)
		pci_free_p2pmem(piece->provider, piece->memory, PAGE_SIZE);
	pci_dev_put(piece->provider);
}

static void ended(struct bio *bio)
{
	if (atomic_dec_and_test(&pending))
		complete(&all_ended);
}

static void prepare(struct piece *piece, struct block_device *bdev)
{
	struct bio *bio = &piece->bio;

	bvec_set_page(&piece->bvec, virt_to_page(piece->memory), PAGE_SIZE, 0);
	bio_init(bio, bdev, &piece->bvec, 1,
		 write ? REQ_OP_WRITE | REQ_SYNC : REQ_OP_READ);
	bio->bi_vcnt = 1;
	bio->bi_iter.bi_size = PAGE_SIZE;
	bio->bi_iter.bi_sector = (piece - pieces) * PAGE_SECTORS;
	bio->bi_end_io = ended;
}

static int do_io(struct block_device *bdev)
{
	struct blk_plug plug;
	int i;

	for (i = 0; i < count; i++)
		prepare(&pieces[i], bdev);
	atomic_set(&pending, count);
	blk_start_plug(&plug);
	for (i = 0; i < count; i++)
		submit_bio(&pieces[i].bio);
	blk_finish_plug(&plug);
	wait_for_completion(&all_ended);

	for (i = 0; i < count; i++)
		if (pieces[i].bio.bi_status)
			return blk_status_to_errno(pieces[i].bio.bi_status);
	return 0;
}

static int open_and_do_io(void)
{
	struct file *opened = bdev_file_open_by_path(target, BLK_OPEN_READ | BLK_OPEN_WRITE, NULL, NULL);
	int err;

	if (IS_ERR(opened))
		return PTR_ERR(opened);
	err = do_io(file_bdev(opened));
	bdev_fput(opened);
	return err;
}

static int fill_and_do_io(const void *data)
{
	int err, i;

	for (i = 0; i < count; i++) {
		err = allocate(&pieces[i], order[i % strlen(order)]);
		if (err)
			return err;
		if (write)
			memcpy(pieces[i].memory, data + i * PAGE_SIZE, PAGE_SIZE);
	}
	err = open_and_do_io();
	for (i = 0; !err && i < count; i++)
		if (memcmp(pieces[i].memory, data + i * PAGE_SIZE, PAGE_SIZE))
			err = -EILSEQ;
	return err;
}

/* Firmware, because the kernel has a name for all that it reads, and warns of other things. */
static ssize_t read_file(void **data)
{
	return kernel_read_file_from_path(file, 0, data, INT_MAX, NULL,
					  READING_FIRMWARE);
}

static int __init bvec_init(void)
{
	void *data = NULL;
	ssize_t size = read_file(&data);
	int err = -ENOMEM, i;

	if (size < 0)
		return size;
	count = size / PAGE_SIZE;
	pieces = kvcalloc(count, sizeof(*pieces), GFP_KERNEL);
	if (pieces) {
		err = fill_and_do_io(data);
		for (i = 0; i < count; i++)
			release(&pieces[i]);
		kvfree(pieces);
	}
	vfree(data);
	return err;
}
module_init(bvec_init);

static void __exit bvec_exit(void)
{
}
module_exit(bvec_exit);

MODULE_DESCRIPTION("I/O from page tables of a driver's own");
MODULE_LICENSE("GPL");
