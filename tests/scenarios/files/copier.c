// SPDX-License-Identifier: GPL-2.0
/*
 * Copies 16 KiB between a provider's memory and host memory, by a DMA engine or by
 * the CPU. For the tests, to try an engine and QEMU's count of the CPU's accesses
 * without md-p2p.
 *
 * A line in /sys/module/copier/parameters/command does one thing. Writing it fails
 * if that fails:
 *
 *	fill peer|host SEED	puts data of the seed there
 *	check peer|host SEED	fails with EILSEQ if there are no such data
 *	engine peer|host [N]	copies to there by the engine, N times at once
 *	cpu peer|host		copies to there by the CPU
 *
 * If the engine does not end in time, what was issued is terminated, and the error
 * is ETIMEDOUT. If that is not possible the error is EBUSY, and the memory stays
 * the engine's until all has ended.
 */
#include <linux/atomic.h>
#include <linux/dmaengine.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/scatterlist.h>
#include <linux/string.h>
#include <linux/wait.h>

#define ORDER	2
#define PAGES	(1 << ORDER)
#define LENGTH	(PAGES * PAGE_SIZE)

static char *provider;
module_param(provider, charp, 0444);
MODULE_PARM_DESC(provider, "PCI address of the device with peer memory");

static unsigned int timeout = 10000;
module_param(timeout, uint, 0644);
MODULE_PARM_DESC(timeout, "how many ms a copy by the engine may take");

/* An end of a copy: one piece of memory. */
struct memory {
	void *data;
	struct page *page;
	struct scatterlist entry;
	struct sg_table table;
};

static struct pci_dev *lender;
static struct dma_chan *channel;
static struct memory peer, host;
static atomic_t under_way; /* descriptors */
static atomic_t error; /* of the first descriptor that failed */
static DECLARE_WAIT_QUEUE_HEAD(ended);
static DEFINE_MUTEX(one_at_a_time);

static u8 pattern(unsigned int seed, unsigned int i)
{
	return seed * 89 + i + (i >> 8) * 13;
}

static int fill(struct memory *memory, unsigned int seed)
{
	unsigned int i;

	for (i = 0; i < LENGTH; i++)
		WRITE_ONCE(((u8 *)memory->data)[i], pattern(seed, i));
	return 0;
}

static int check(struct memory *memory, unsigned int seed)
{
	unsigned int i;

	for (i = 0; i < LENGTH; i++)
		if (READ_ONCE(((u8 *)memory->data)[i]) != pattern(seed, i))
			return -EILSEQ;
	return 0;
}

static int error_of(enum dmaengine_tx_result result)
{
	switch (result) {
	case DMA_TRANS_NOERROR:
		return 0;
	case DMA_TRANS_ABORTED:
		return -ECANCELED;
	default:
		return -EIO;
	}
}

static void copied(void *data, const struct dmaengine_result *result)
{
	int err = error_of(result->result);

	/* Whatever has not failed has nothing left. */
	if (!err && result->residue)
		err = -EPROTO;
	if (err)
		atomic_cmpxchg(&error, 0, err);
	if (atomic_dec_and_test(&under_way))
		wake_up(&ended);
}

static int submit_page(dma_addr_t target, dma_addr_t source)
{
	struct dma_async_tx_descriptor *tx;

	tx = dmaengine_prep_dma_memcpy(channel, target, source, PAGE_SIZE,
				       DMA_PREP_INTERRUPT | DMA_CTRL_ACK);
	if (!tx)
		return -ENOSPC;
	tx->callback_result = copied;
	atomic_inc(&under_way);
	if (!dma_submit_error(dmaengine_submit(tx)))
		return 0;
	atomic_dec(&under_way);
	return -ENODEV;
}

/* A descriptor that was terminated does not call back. */
static int give_up(void)
{
	if (dmaengine_terminate_sync(channel))
		return -EBUSY;
	atomic_set(&under_way, 0);
	return -ETIMEDOUT;
}

static int copy_mapped(struct memory *to, struct memory *from, unsigned int times)
{
	dma_addr_t target = sg_dma_address(to->table.sgl);
	dma_addr_t source = sg_dma_address(from->table.sgl);
	unsigned int i;
	int err = 0;

	atomic_set(&error, 0);
	for (i = 0; !err && i < PAGES * times; i++) {
		unsigned int at = i % PAGES * PAGE_SIZE;

		err = submit_page(target + at, source + at);
	}
	dma_async_issue_pending(channel);
	if (!wait_event_timeout(ended, !atomic_read(&under_way), msecs_to_jiffies(timeout)))
		return give_up();
	return err ?: atomic_read(&error);
}

/* After EBUSY both stay mapped, since the engine may still touch them. */
static int copy_by_engine(struct memory *to, struct memory *from, unsigned int times)
{
	struct device *device = channel->device->dev;
	int err;

	if (atomic_read(&under_way))
		return -EBUSY;
	err = dma_map_sgtable(device, &to->table, DMA_FROM_DEVICE, 0);
	if (err)
		return err;
	err = dma_map_sgtable(device, &from->table, DMA_TO_DEVICE, 0);
	if (err)
		goto out_unmap;
	err = copy_mapped(to, from, times);
	if (err == -EBUSY)
		return err;
	dma_unmap_sgtable(device, &from->table, DMA_TO_DEVICE, 0);
out_unmap:
	dma_unmap_sgtable(device, &to->table, DMA_FROM_DEVICE, 0);
	return err;
}

static int copy_by_cpu(struct memory *to, struct memory *from)
{
	memcpy(to->data, from->data, LENGTH);
	return 0;
}

static int obey(const char *verb, const char *place, unsigned int number)
{
	struct memory *to = sysfs_streq(place, "peer") ? &peer : &host;
	struct memory *other = to == &peer ? &host : &peer;

	if (!strcmp(verb, "fill"))
		return fill(to, number);
	if (!strcmp(verb, "check"))
		return check(to, number);
	if (!strcmp(verb, "engine"))
		return copy_by_engine(to, other, number);
	if (!strcmp(verb, "cpu"))
		return copy_by_cpu(to, other);
	return -EINVAL;
}

static int set_command(const char *line, const struct kernel_param *param)
{
	char verb[8], place[8];
	unsigned int number = 1;
	int err;

	if (!channel || sscanf(line, "%7s %7s %u", verb, place, &number) < 2)
		return -EINVAL;
	mutex_lock(&one_at_a_time);
	err = obey(verb, place, number);
	mutex_unlock(&one_at_a_time);
	return err;
}

static const struct kernel_param_ops command_ops = { .set = set_command };
module_param_cb(command, &command_ops, NULL, 0200);

static void describe(struct memory *memory)
{
	sg_init_table(&memory->entry, 1);
	sg_set_page(&memory->entry, memory->page, LENGTH, 0);
	memory->table.sgl = &memory->entry;
	memory->table.orig_nents = 1;
}

static struct pci_dev *find_lender(void)
{
	unsigned int domain, bus, dev, fn;

	if (!provider || sscanf(provider, "%x:%x:%x.%x", &domain, &bus, &dev, &fn) != 4)
		return NULL;
	return pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(dev, fn));
}

static bool reaches(struct dma_chan *chan, void *unused)
{
	return dev_is_pci(chan->device->dev) &&
	       pci_p2pdma_distance(lender, chan->device->dev, false) >= 0;
}

static int get_memory(void)
{
	peer.data = pci_alloc_p2pmem(lender, LENGTH);
	host.page = alloc_pages(GFP_KERNEL, ORDER);
	if (!peer.data || !host.page)
		return -ENOMEM;
	peer.page = virt_to_page(peer.data);
	host.data = page_address(host.page);
	describe(&peer);
	describe(&host);
	return 0;
}

static int get_channel(void)
{
	dma_cap_mask_t mask;

	dma_cap_zero(mask);
	dma_cap_set(DMA_MEMCPY, mask);
	channel = dma_request_channel(mask, reaches, NULL);
	return channel ? 0 : -ENODEV;
}

/* The channel goes first, because its engine may still touch the memory. */
static void cleanup(void)
{
	if (channel)
		dma_release_channel(channel);
	if (host.page)
		__free_pages(host.page, ORDER);
	if (peer.data)
		pci_free_p2pmem(lender, peer.data, LENGTH);
	pci_dev_put(lender);
}

static int __init copier_init(void)
{
	int err = 0;

	lender = find_lender();
	if (!lender)
		return -EINVAL;
	err = get_memory();
	if (!err)
		err = get_channel();
	if (err)
		cleanup();
	return err;
}
module_init(copier_init);

static void __exit copier_exit(void)
{
	cleanup();
}
module_exit(copier_exit);

MODULE_DESCRIPTION("Copies between peer and host memory");
MODULE_LICENSE("GPL");
