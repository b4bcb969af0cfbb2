// SPDX-License-Identifier: GPL-2.0
/*
 * A DMA engine made of software, for the fault matrix: edu's is slow. It belongs to
 * the PCI device `device`, whose driver it does not touch, and copies between
 * addresses that are physical ones, so there must be no IOMMU.
 *
 * In /sys/module/softdma/parameters/does is what becomes of descriptors:
 *
 *	copy	they copy
 *	fail	they copy a half of it, and report an error
 *	hang	they do nothing until they are terminated
 */
#include <linux/dmaengine.h>
#include <linux/io.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/workqueue.h>

static char *device;
module_param(device, charp, 0444);
MODULE_PARM_DESC(device, "PCI address of the device whose engine this is");

static char does[8] = "copy";
module_param_string(does, does, sizeof(does), 0644);
MODULE_PARM_DESC(does, "what becomes of descriptors: copy, fail or hang");

struct descriptor {
	struct dma_async_tx_descriptor tx;
	struct list_head list;
	phys_addr_t target;
	phys_addr_t source;
	size_t length;
};

static struct pci_dev *owner;
static struct dma_device dma;
static struct dma_chan chan;
static DEFINE_SPINLOCK(lock); /* of all below, and of the cookies */
static LIST_HEAD(submitted);

static bool is_told(const char *word)
{
	return !strncmp(READ_ONCE(does), word, strlen(word));
}

static void end(struct descriptor *desc, enum dmaengine_tx_result end)
{
	struct dmaengine_result result = { .result = end };

	if (desc->tx.callback_result)
		desc->tx.callback_result(desc->tx.callback_param, &result);
	kfree(desc);
}

/* Both kinds of memory are in the kernel's own map. */
static void run(struct descriptor *desc)
{
	bool fails = is_told("fail");

	memcpy(phys_to_virt(desc->target), phys_to_virt(desc->source),
	       fails ? desc->length / 2 : desc->length);
	end(desc, fails ? DMA_TRANS_WRITE_FAILED : DMA_TRANS_NOERROR);
}

static struct descriptor *next(void)
{
	struct descriptor *desc;

	spin_lock_irq(&lock);
	desc = list_first_entry_or_null(&submitted, struct descriptor, list);
	if (desc)
		list_del(&desc->list);
	spin_unlock_irq(&lock);
	return desc;
}

static void work(struct work_struct *work)
{
	struct descriptor *desc;

	while (!is_told("hang") && (desc = next()))
		run(desc);
}
static DECLARE_WORK(runs, work);

static dma_cookie_t submit(struct dma_async_tx_descriptor *tx)
{
	struct descriptor *desc = container_of(tx, struct descriptor, tx);
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	tx->cookie = max(chan.cookie + 1, DMA_MIN_COOKIE);
	chan.cookie = tx->cookie;
	list_add_tail(&desc->list, &submitted);
	spin_unlock_irqrestore(&lock, flags);
	return tx->cookie;
}

static struct dma_async_tx_descriptor *prepare(struct dma_chan *of,
					       dma_addr_t target,
					       dma_addr_t source, size_t length,
					       unsigned long prep_flags)
{
	struct descriptor *desc = kzalloc(sizeof(*desc), GFP_NOWAIT);

	if (!desc)
		return NULL;
	dma_async_tx_descriptor_init(&desc->tx, of);
	desc->tx.tx_submit = submit;
	desc->tx.flags = prep_flags;
	desc->target = target;
	desc->source = source;
	desc->length = length;
	return &desc->tx;
}

static void issue(struct dma_chan *of)
{
	schedule_work(&runs);
}

static enum dma_status tell_status(struct dma_chan *of, dma_cookie_t cookie,
				   struct dma_tx_state *state)
{
	return DMA_OUT_OF_ORDER;
}

/* Without callbacks, as dmaengine wants it. */
static int terminate(struct dma_chan *of)
{
	struct descriptor *desc;

	while ((desc = next()))
		kfree(desc);
	return 0;
}

static void synchronize(struct dma_chan *of)
{
	flush_work(&runs);
}

static int open_channel(struct dma_chan *of)
{
	return 0;
}

static void close_channel(struct dma_chan *of)
{
	terminate(of);
	synchronize(of);
}

static int __init softdma_init(void)
{
	unsigned int domain, bus, slot, function;
	int ret;

	if (!device || sscanf(device, "%x:%x:%x.%x", &domain, &bus, &slot,
			      &function) != 4)
		return -EINVAL;
	owner = pci_get_domain_bus_and_slot(domain, bus,
					    PCI_DEVFN(slot, function));
	if (!owner)
		return -ENODEV;
	dma_cap_set(DMA_MEMCPY, dma.cap_mask);
	dma_cap_set(DMA_PRIVATE, dma.cap_mask);
	dma.dev = &owner->dev;
	dma.device_alloc_chan_resources = open_channel;
	dma.device_free_chan_resources = close_channel;
	dma.device_prep_dma_memcpy = prepare;
	dma.device_issue_pending = issue;
	dma.device_tx_status = tell_status;
	dma.device_terminate_all = terminate;
	dma.device_synchronize = synchronize;
	chan.device = &dma;
	INIT_LIST_HEAD(&dma.channels);
	list_add_tail(&chan.device_node, &dma.channels);
	ret = dma_async_device_register(&dma);
	if (ret)
		pci_dev_put(owner);
	return ret;
}

static void __exit softdma_exit(void)
{
	dma_async_device_unregister(&dma);
	pci_dev_put(owner);
}

module_init(softdma_init);
module_exit(softdma_exit);
MODULE_DESCRIPTION("a DMA engine made of software, for tests");
MODULE_LICENSE("GPL");
