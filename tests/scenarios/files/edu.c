// SPDX-License-Identifier: GPL-2.0
/*
 * A DMA engine for copies of memory, made of QEMU's device `edu`. For the tests,
 * because no emulated machine has a real one.
 *
 * edu moves up to 4 KiB between memory and a buffer of its own, in 100 ms. So a
 * copy is cut into pieces, and each piece takes two transfers: into the buffer,
 * and out of it. A transfer that was started cannot be stopped.
 *
 * In /sys/module/edu/parameters are faults. Those that count say how many of the
 * next descriptors they are for; reading them tells how many are left.
 *
 *	fail		fill a piece with garbage, and end with DMA_TRANS_WRITE_FAILED
 *	refuse		are not prepared
 *	stuck		do not start, nor does any descriptor behind them
 *	late		after so many milliseconds a stuck descriptor starts; 0 is never
 *	terminable	0 lets nobody terminate what was issued
 *	silent		1 calls nobody back when the driver leaves the device
 *	bytes		(read only) what was copied
 */
#include <linux/dmaengine.h>
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/wait.h>

/* edu's registers. Those of its DMA are 64 bits wide. */
#define IRQ_STATUS	0x24
#define IRQ_ACK		0x64
#define DMA_SOURCE	0x80
#define DMA_TARGET	0x88
#define DMA_COUNT	0x90
#define DMA_COMMAND	0x98

#define COMMAND_START	BIT(0)
#define COMMAND_OUT	BIT(1) /* of the buffer; else into it */
#define COMMAND_IRQ	BIT(2)
#define IRQ_DMA		BIT(8)

/* edu's buffer: its address for edu, and its size. */
#define BUFFER		0x40000
#define PIECE		SZ_4K

#define GARBAGE		0xa5

static unsigned int fail;
module_param(fail, uint, 0644);
MODULE_PARM_DESC(fail, "how many of the next descriptors fail");

static unsigned int refuse;
module_param(refuse, uint, 0644);
MODULE_PARM_DESC(refuse, "how many of the next descriptors are not prepared");

static unsigned int stuck;
module_param(stuck, uint, 0644);
MODULE_PARM_DESC(stuck, "how many of the next descriptors do not start");

static unsigned int late;
module_param(late, uint, 0644);
MODULE_PARM_DESC(late, "after how many ms a stuck descriptor starts; 0 is never");

static bool terminable = true;
module_param(terminable, bool, 0644);
MODULE_PARM_DESC(terminable, "whether descriptors can be terminated");

static bool silent;
module_param(silent, bool, 0644);
MODULE_PARM_DESC(silent, "whether nobody is called back when the driver leaves the device");

static bool private = true;
module_param(private, bool, 0444);
MODULE_PARM_DESC(private, "whether a client has to request the channel");

static unsigned long bytes;
module_param(bytes, ulong, 0444);
MODULE_PARM_DESC(bytes, "how much was copied");

/* Of the parameters that count, because there may be several devices. */
static DEFINE_SPINLOCK(counters);

struct descriptor {
	struct dma_async_tx_descriptor tx;
	struct list_head list;
	dma_addr_t source;
	dma_addr_t target;
	size_t length;
	size_t done;
	bool loaded; /* the next piece is in the buffer */
	bool fails;
	bool is_stuck;
	bool terminated; /* while a transfer of it was going on */
	unsigned long due; /* in jiffies: when it is no longer stuck; 0 is not known */
	enum dmaengine_tx_result result;
};

struct edu {
	struct dma_device dma;
	struct dma_chan chan;
	void __iomem *bar;
	int irq;
	void *garbage;
	dma_addr_t garbage_address;
	spinlock_t lock; /* of everything below, and of the cookies */
	bool closed; /* nothing is taken, and no transfer is started */
	bool gone; /* stays closed */
	struct descriptor *running; /* which edu has a transfer of */
	struct list_head prepared;
	struct list_head submitted;
	struct list_head issued; /* its first one is running, or will be next */
	struct list_head ended; /* their callbacks are due */
	wait_queue_head_t idle;
	struct tasklet_struct callbacks;
	struct timer_list unstick;
};

static struct edu *edu_of(struct dma_chan *chan)
{
	return container_of(chan, struct edu, chan);
}

static struct descriptor *descriptor_of(struct dma_async_tx_descriptor *tx)
{
	return container_of(tx, struct descriptor, tx);
}

/* Takes one from a parameter that counts. Returns whether there was one. */
static bool take(unsigned int *parameter)
{
	unsigned long flags;
	bool taken;

	spin_lock_irqsave(&counters, flags);
	taken = *parameter;
	if (taken)
		--*parameter;
	spin_unlock_irqrestore(&counters, flags);
	return taken;
}

static void count_bytes(size_t length)
{
	unsigned long flags;

	spin_lock_irqsave(&counters, flags);
	bytes += length;
	spin_unlock_irqrestore(&counters, flags);
}

static void free_descriptor(struct descriptor *desc)
{
	dma_descriptor_unmap(&desc->tx);
	kfree(desc);
}

static void free_descriptors(struct list_head *list)
{
	struct descriptor *desc, *next;

	list_for_each_entry_safe(desc, next, list, list)
		free_descriptor(desc);
	INIT_LIST_HEAD(list);
}

/* The transfers of a descriptor */

static size_t piece(const struct descriptor *desc)
{
	return min_t(size_t, desc->length - desc->done, PIECE);
}

/* Starts the next transfer of a descriptor. edu interrupts when it has ended. */
static void start_transfer(struct edu *edu, struct descriptor *desc)
{
	u64 source = desc->source + desc->done;
	u64 target = BUFFER;
	u64 command = COMMAND_START | COMMAND_IRQ;

	if (desc->loaded) {
		source = BUFFER;
		target = desc->target + desc->done;
		command |= COMMAND_OUT;
	} else if (desc->fails) {
		source = edu->garbage_address;
	}
	edu->running = desc;
	writeq(source, edu->bar + DMA_SOURCE);
	writeq(target, edu->bar + DMA_TARGET);
	writeq(piece(desc), edu->bar + DMA_COUNT);
	writeq(command, edu->bar + DMA_COMMAND);
}

/* Returns whether a stuck descriptor has to stay so. If it is late only, a timer looks again. */
static bool stays_stuck(struct edu *edu, struct descriptor *desc)
{
	unsigned int after = READ_ONCE(late);

	if (!desc->is_stuck)
		return false;
	if (!after)
		return true;
	if (!desc->due)
		desc->due = (jiffies + msecs_to_jiffies(after)) | 1;
	if (time_after_eq(jiffies, desc->due))
		return false;
	mod_timer(&edu->unstick, desc->due);
	return true;
}

/* Goes on with the first descriptor that was issued, if edu has nothing to do. */
static void go_on(struct edu *edu)
{
	struct descriptor *desc;

	lockdep_assert_held(&edu->lock);
	desc = list_first_entry_or_null(&edu->issued, struct descriptor, list);
	if (desc && !edu->running && !edu->closed && !stays_stuck(edu, desc))
		start_transfer(edu, desc);
}

static void unstick(struct timer_list *timer)
{
	struct edu *edu = timer_container_of(edu, timer, unstick);
	unsigned long flags;

	spin_lock_irqsave(&edu->lock, flags);
	go_on(edu);
	spin_unlock_irqrestore(&edu->lock, flags);
}

static void end(struct edu *edu, struct descriptor *desc, enum dmaengine_tx_result result)
{
	lockdep_assert_held(&edu->lock);
	desc->result = result;
	edu->chan.completed_cookie = desc->tx.cookie;
	list_move_tail(&desc->list, &edu->ended);
	tasklet_schedule(&edu->callbacks);
}

/* A piece that fails has arrived as garbage, so nothing of it counts as done. */
static void transferred(struct edu *edu, struct descriptor *desc)
{
	if (!desc->loaded) {
		desc->loaded = true;
		return;
	}
	desc->loaded = false;
	if (desc->fails) {
		end(edu, desc, DMA_TRANS_WRITE_FAILED);
		return;
	}
	desc->done += piece(desc);
	if (desc->done == desc->length) {
		count_bytes(desc->length);
		end(edu, desc, DMA_TRANS_NOERROR);
	}
}

static irqreturn_t interrupted(int irq, void *data)
{
	struct edu *edu = data;
	struct descriptor *desc, *terminated = NULL;
	u32 status = readl(edu->bar + IRQ_STATUS);
	unsigned long flags;

	if (!(status & IRQ_DMA))
		return IRQ_NONE;
	writel(status, edu->bar + IRQ_ACK);
	spin_lock_irqsave(&edu->lock, flags);
	desc = edu->running;
	edu->running = NULL;
	if (desc && desc->terminated)
		terminated = desc;
	else if (desc)
		transferred(edu, desc);
	go_on(edu);
	spin_unlock_irqrestore(&edu->lock, flags);
	if (terminated)
		free_descriptor(terminated);
	wake_up(&edu->idle);
	return IRQ_HANDLED;
}

/* Calls back, without the lock, since a callback may submit the next descriptor. */
static void call_back(struct tasklet_struct *tasklet)
{
	struct edu *edu = from_tasklet(edu, tasklet, callbacks);
	struct descriptor *desc, *next;
	unsigned long flags;
	LIST_HEAD(ended);

	spin_lock_irqsave(&edu->lock, flags);
	list_splice_init(&edu->ended, &ended);
	spin_unlock_irqrestore(&edu->lock, flags);
	list_for_each_entry_safe(desc, next, &ended, list) {
		struct dmaengine_result result = {
			.result = desc->result,
			.residue = desc->length - desc->done,
		};
		dma_descriptor_unmap(&desc->tx);
		if (desc->tx.callback_result)
			desc->tx.callback_result(desc->tx.callback_param, &result);
		else if (desc->tx.callback)
			desc->tx.callback(desc->tx.callback_param);
		kfree(desc);
	}
}

/* Waits until edu has no transfer, and all callbacks were called. A device that was pulled out does not answer. */
static void quiesce(struct edu *edu)
{
	wait_event_timeout(edu->idle, !READ_ONCE(edu->running), 10 * HZ);
	tasklet_kill(&edu->callbacks);
}

/* What dmaengine calls */

static dma_cookie_t submit(struct dma_async_tx_descriptor *tx)
{
	struct descriptor *desc = descriptor_of(tx);
	struct edu *edu = edu_of(tx->chan);
	dma_cookie_t cookie = -ENODEV;
	unsigned long flags;

	spin_lock_irqsave(&edu->lock, flags);
	list_del_init(&desc->list);
	if (!edu->closed) {
		cookie = tx->chan->cookie + 1;
		if (cookie < DMA_MIN_COOKIE)
			cookie = DMA_MIN_COOKIE;
		tx->cookie = cookie;
		tx->chan->cookie = cookie;
		desc->is_stuck = take(&stuck);
		desc->fails = !desc->is_stuck && take(&fail);
		list_add_tail(&desc->list, &edu->submitted);
	}
	spin_unlock_irqrestore(&edu->lock, flags);
	if (dma_submit_error(cookie))
		free_descriptor(desc);
	return cookie;
}

static struct dma_async_tx_descriptor *prepare(struct dma_chan *chan, dma_addr_t target,
					       dma_addr_t source, size_t length,
					       unsigned long prep_flags)
{
	struct edu *edu = edu_of(chan);
	struct descriptor *desc;
	unsigned long flags;

	if (!length || READ_ONCE(edu->closed) || take(&refuse))
		return NULL;
	desc = kzalloc_obj(*desc, GFP_NOWAIT);
	if (!desc)
		return NULL;
	dma_async_tx_descriptor_init(&desc->tx, chan);
	desc->tx.tx_submit = submit;
	desc->tx.flags = prep_flags;
	desc->source = source;
	desc->target = target;
	desc->length = length;
	spin_lock_irqsave(&edu->lock, flags);
	list_add_tail(&desc->list, &edu->prepared);
	spin_unlock_irqrestore(&edu->lock, flags);
	return &desc->tx;
}

static void issue(struct dma_chan *chan)
{
	struct edu *edu = edu_of(chan);
	unsigned long flags;

	spin_lock_irqsave(&edu->lock, flags);
	list_splice_tail_init(&edu->submitted, &edu->issued);
	go_on(edu);
	spin_unlock_irqrestore(&edu->lock, flags);
}

/* Returns what is left of the descriptor with this cookie, or 0 if it is not there. */
static size_t residue(struct edu *edu, dma_cookie_t cookie)
{
	struct descriptor *desc;

	list_for_each_entry(desc, &edu->issued, list)
		if (desc->tx.cookie == cookie)
			return desc->length - desc->done;
	list_for_each_entry(desc, &edu->submitted, list)
		if (desc->tx.cookie == cookie)
			return desc->length;
	return 0;
}

static enum dma_status tell_status(struct dma_chan *chan, dma_cookie_t cookie,
				   struct dma_tx_state *state)
{
	struct edu *edu = edu_of(chan);
	enum dma_status status;
	unsigned long flags;

	spin_lock_irqsave(&edu->lock, flags);
	status = dma_async_is_complete(cookie, chan->completed_cookie, chan->cookie);
	dma_set_tx_state(state, chan->completed_cookie, chan->cookie, residue(edu, cookie));
	spin_unlock_irqrestore(&edu->lock, flags);
	return status;
}

/*
 * Forgets all descriptors that were submitted, without their callbacks, as
 * dmaengine wants it. The one that is running is freed when its transfer ends,
 * for which device_synchronize() waits.
 */
static int terminate(struct dma_chan *chan)
{
	struct edu *edu = edu_of(chan);
	unsigned long flags;
	LIST_HEAD(forgotten);

	if (!READ_ONCE(terminable))
		return -EIO;
	spin_lock_irqsave(&edu->lock, flags);
	list_splice_tail_init(&edu->issued, &forgotten);
	list_splice_tail_init(&edu->submitted, &forgotten);
	if (edu->running) {
		list_del_init(&edu->running->list);
		edu->running->terminated = true;
	}
	spin_unlock_irqrestore(&edu->lock, flags);
	free_descriptors(&forgotten);
	return 0;
}

static void synchronize(struct dma_chan *chan)
{
	quiesce(edu_of(chan));
}

/* Ends all descriptors that were submitted as aborted. edu has no transfer, or never ends it. */
static void abort_all(struct edu *edu)
{
	struct descriptor *desc, *next;
	unsigned long flags;

	spin_lock_irqsave(&edu->lock, flags);
	if (edu->running && edu->running->terminated)
		free_descriptor(edu->running);
	edu->running = NULL;
	list_splice_tail_init(&edu->submitted, &edu->issued);
	list_for_each_entry_safe(desc, next, &edu->issued, list) {
		if (edu->gone && READ_ONCE(silent))
			desc->tx.callback_result = NULL;
		end(edu, desc, DMA_TRANS_ABORTED);
	}
	spin_unlock_irqrestore(&edu->lock, flags);
}

/*
 * Ends everything that a client has under way. The transfer of edu goes on for a
 * moment, so callbacks come later, because they let the client free its memory.
 */
static void close(struct edu *edu)
{
	unsigned long flags;

	spin_lock_irqsave(&edu->lock, flags);
	edu->closed = true;
	spin_unlock_irqrestore(&edu->lock, flags);
	quiesce(edu);
	abort_all(edu);
	quiesce(edu);
}

/*
 * The error is not -ENODEV, because dmaengine would then take the device off its
 * list, and off again when the last client has left.
 */
static int open_channel(struct dma_chan *chan)
{
	struct edu *edu = edu_of(chan);
	unsigned long flags;
	int err;

	spin_lock_irqsave(&edu->lock, flags);
	edu->closed = edu->gone;
	err = edu->gone ? -EBUSY : 0;
	spin_unlock_irqrestore(&edu->lock, flags);
	return err;
}

static void free_channel(struct dma_chan *chan)
{
	struct edu *edu = edu_of(chan);

	close(edu);
	free_descriptors(&edu->prepared);
}

/* Is called when the driver has left the device, and no client holds the channel. */
static void release(struct dma_device *dma)
{
	struct edu *edu = container_of(dma, struct edu, dma);

	put_device(dma->dev);
	kfree(edu);
}

/* The device */

static void init_channel(struct edu *edu)
{
	spin_lock_init(&edu->lock);
	INIT_LIST_HEAD(&edu->prepared);
	INIT_LIST_HEAD(&edu->submitted);
	INIT_LIST_HEAD(&edu->issued);
	INIT_LIST_HEAD(&edu->ended);
	init_waitqueue_head(&edu->idle);
	tasklet_setup(&edu->callbacks, call_back);
	timer_setup(&edu->unstick, unstick, 0);
	edu->closed = true;
	edu->chan.device = &edu->dma;
	edu->chan.cookie = DMA_MIN_COOKIE;
	edu->chan.completed_cookie = DMA_MIN_COOKIE;
	INIT_LIST_HEAD(&edu->dma.channels);
	list_add_tail(&edu->chan.device_node, &edu->dma.channels);
}

static void init_dma(struct edu *edu)
{
	struct dma_device *dma = &edu->dma;

	dma_cap_set(DMA_MEMCPY, dma->cap_mask);
	if (private)
		dma_cap_set(DMA_PRIVATE, dma->cap_mask);
	dma->copy_align = DMAENGINE_ALIGN_1_BYTE;
	dma->residue_granularity = DMA_RESIDUE_GRANULARITY_BURST;
	dma->device_alloc_chan_resources = open_channel;
	dma->device_free_chan_resources = free_channel;
	dma->device_prep_dma_memcpy = prepare;
	dma->device_issue_pending = issue;
	dma->device_tx_status = tell_status;
	dma->device_terminate_all = terminate;
	dma->device_synchronize = synchronize;
	dma->device_release = release;
}

/* Makes the device ready. All this is undone when the driver leaves it. */
static int enable(struct edu *edu, struct pci_dev *dev)
{
	int err = pcim_enable_device(dev);

	if (!err)
		err = dma_set_mask_and_coherent(&dev->dev, DMA_BIT_MASK(64));
	if (err)
		return err;
	edu->bar = pcim_iomap_region(dev, 0, KBUILD_MODNAME);
	if (IS_ERR(edu->bar))
		return PTR_ERR(edu->bar);
	edu->garbage = dmam_alloc_coherent(&dev->dev, PIECE, &edu->garbage_address, GFP_KERNEL);
	if (!edu->garbage)
		return -ENOMEM;
	memset(edu->garbage, GARBAGE, PIECE);
	err = pci_alloc_irq_vectors(dev, 1, 1, PCI_IRQ_MSI);
	if (err < 0)
		return err;
	edu->irq = pci_irq_vector(dev, 0);
	pci_set_master(dev);
	return 0;
}

static int edu_probe(struct pci_dev *dev, const struct pci_device_id *id)
{
	struct edu *edu = kzalloc_obj(*edu);
	int err;

	if (!edu)
		return -ENOMEM;
	init_channel(edu);
	init_dma(edu);
	err = enable(edu, dev);
	if (!err)
		err = request_irq(edu->irq, interrupted, 0, KBUILD_MODNAME, edu);
	if (err)
		goto out_free;
	edu->dma.dev = get_device(&dev->dev);
	pci_set_drvdata(dev, edu);
	err = dma_async_device_register(&edu->dma);
	if (err)
		goto out_put;
	return 0;

out_put:
	put_device(&dev->dev);
	free_irq(edu->irq, edu);
out_free:
	kfree(edu);
	return err;
}

static void edu_remove(struct pci_dev *dev)
{
	struct edu *edu = pci_get_drvdata(dev);
	unsigned long flags;

	spin_lock_irqsave(&edu->lock, flags);
	edu->gone = true;
	spin_unlock_irqrestore(&edu->lock, flags);
	close(edu);
	timer_shutdown_sync(&edu->unstick);
	/* A transfer that never ended is not to end now. */
	pci_clear_master(dev);
	free_irq(edu->irq, edu);
	dma_async_device_unregister(&edu->dma);
}

static const struct pci_device_id edu_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },
	{ }
};
MODULE_DEVICE_TABLE(pci, edu_ids);

static struct pci_driver edu_driver = {
	.name = "edu",
	.id_table = edu_ids,
	.probe = edu_probe,
	.remove = edu_remove,
};
module_pci_driver(edu_driver);

MODULE_DESCRIPTION("A DMA engine for copies of memory, made of QEMU's edu");
MODULE_LICENSE("GPL");
