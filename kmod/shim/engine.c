// SPDX-License-Identifier: GPL-2.0
/*
 * DMA engines that copy what is staged: channels of the kernel's dmaengine whose
 * device reaches the provider's memory.
 *
 * A copy is cut into parts, each with a descriptor. Its pages are not touched any
 * more when it ends, whatever becomes of the engine: each part has called back, or
 * the channel was stopped. A channel that does not answer is stopped, and given
 * up. If it cannot be stopped either, its copies wait, because the engine may yet
 * write to their pages. They end when the driver has left the device.
 *
 * A channel belongs to its driver. So it is given back before the driver leaves
 * the device, or its work queue (DSA, on a bus of its own).
 *
 * Tests: the scenarios engine and engine-faults.
 */
#include <linux/completion.h>
#include <linux/device.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/dmaengine.h>
#include <linux/jiffies.h>
#include <linux/kref.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/rwsem.h>
#include <linux/scatterlist.h>
#include <linux/semaphore.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "engine.h"
#include "shim.h"
#include "stager.h"

/*
 * What one engine does at once: so many copies, and so many parts of each. idxd
 * lets a client sleep that wants more than its work queue has room for. These
 * are so few that any sensible queue has room, since who sleeps cannot be stopped.
 */
#define COPIES		2
#define PARTS_AT_ONCE	4

/* One page may be more, because a bio may begin within one. */
#define SEGMENTS	(PIECE_PAGES + 2)
#define PARTS_OF_COPY	(2 * SEGMENTS)

/* The bits of a part's number. The rest of a callback's argument is its copy's. */
#define PART_BITS	8
static_assert(PARTS_OF_COPY <= 1 << PART_BITS);

/* An engine that has answered nothing for so long does not answer. */
#define PATIENCE	(3 * HZ)
/* Nor does one that has left a copy alone for so long, whatever else it does. */
#define LAST_PATIENCE	(30 * HZ)
/* Its driver may go after so long, even if it cannot be stopped. */
#define FAREWELL	(10 * HZ)

struct md_p2p_engine {
	struct kref refs;
	struct list_head node;		/* of engines */
	struct device *dev;
	char channel[16];
	const struct bus_type *bus;	/* of its work queues; NULL if it has none */
	struct notifier_block queues;
	struct semaphore room;		/* for copies */
	unsigned long answered;		/* in jiffies */

	struct rw_semaphore use;	/* of the channel; exclusive to take it away */
	struct dma_chan *chan;		/* NULL if it was given back */
	bool gone;			/* it takes no copy any more */
	bool left;			/* its driver has taken it away */
	bool lost;			/* while it was copying */
	struct work_struct work;	/* to free it */

	spinlock_t lock;		/* of what follows, and of setting gone */
	unsigned int copying;
	wait_queue_head_t idle;
};

struct copy {
	struct md_p2p_engine *engine;
	u32 id;
	struct completion done;
	unsigned long began;		/* the parts in flight, in jiffies */
	unsigned int parts;		/* so far */
	struct sg_table to;
	struct sg_table from;
	struct scatterlist to_list[SEGMENTS];
	struct scatterlist from_list[SEGMENTS];
	/* Under the lock of copies */
	unsigned int left;		/* parts, and one more while submitting */
	bool failed;
	DECLARE_BITMAP(pending, PARTS_OF_COPY);
};

static DEFINE_MUTEX(engines_lock);
static LIST_HEAD(engines);
/* In jiffies: until then the driver of a channel may be leaving. */
static unsigned long quiet_until;
static struct workqueue_struct *cleaner;

/*
 * A driver may call back late, or twice, about a part that it failed to take. So
 * callbacks carry numbers, and what has ended is not found here any more.
 */
static struct xarray copies =
	XARRAY_INIT(copies, XA_FLAGS_LOCK_IRQ | XA_FLAGS_ALLOC1);
static u32 next_id;

/* Which engines may copy */

#define DRIVERS_SIZE	64

static char drivers[DRIVERS_SIZE] = "idxd";
/* Whoever writes a parameter of this module holds the lock of all of them. */
static DEFINE_SPINLOCK(drivers_lock);

static int set_drivers(const char *text, const struct kernel_param *param)
{
	int ret;

	spin_lock(&drivers_lock);
	ret = param_set_copystring(text, param);
	spin_unlock(&drivers_lock);
	/* While the module is being loaded, nobody can look yet. */
	if (!ret && THIS_MODULE->state == MODULE_STATE_LIVE)
		shim_look_for_providers();
	return ret;
}

static const struct kernel_param_ops drivers_ops = {
	.set = set_drivers,
	.get = param_get_string,
};

static struct kparam_string drivers_string = {
	.maxlen = sizeof(drivers),
	.string = drivers,
};

/* An engine of another driver may report errors as success, or not stop. */
module_param_cb(p2pdma_engines, &drivers_ops, &drivers_string, 0644);
MODULE_PARM_DESC(p2pdma_engines, "drivers whose DMA engines copy what is staged, separated by commas; none: the CPU copies");

/* Tells whether a list with commas, or newlines, has this name. */
static bool is_listed(const char *list, const char *name)
{
	size_t length = strlen(name);

	while (*list) {
		size_t word = strcspn(list, ",\n");

		if (word == length && !strncmp(list, name, length))
			return true;
		list += word;
		list += strspn(list, ",\n");
	}
	return false;
}

static bool is_wanted(struct device *dev)
{
	const struct device_driver *driver = READ_ONCE(dev->driver);
	bool wanted;

	spin_lock(&drivers_lock);
	wanted = driver && is_listed(drivers, driver->name);
	spin_unlock(&drivers_lock);
	return wanted;
}

/* The parts of a copy */

/* Under the lock of copies. What has settled already stays as it is. */
static void settle(struct copy *copy, unsigned int part, bool failed)
{
	if (!__test_and_clear_bit(part, copy->pending))
		return;
	copy->failed |= failed;
	if (!--copy->left)
		complete(&copy->done);
}

static void *argument_of(const struct copy *copy, unsigned int part)
{
	return (void *)((unsigned long)copy->id << PART_BITS | part);
}

static void call_back(void *argument, const struct dmaengine_result *result)
{
	unsigned long number = (unsigned long)argument;
	struct copy *copy;
	unsigned long flags;

	xa_lock_irqsave(&copies, flags);
	copy = xa_load(&copies, number >> PART_BITS);
	if (copy) {
		WRITE_ONCE(copy->engine->answered, jiffies);
		settle(copy, number & ((1 << PART_BITS) - 1),
		       result && result->result != DMA_TRANS_NOERROR);
	}
	xa_unlock_irqrestore(&copies, flags);
}

/* Returns false if the engine does not take it. */
static bool submit_part(struct copy *copy, dma_addr_t to, dma_addr_t from,
			size_t length)
{
	struct dma_async_tx_descriptor *tx =
		dmaengine_prep_dma_memcpy(copy->engine->chan, to, from, length,
					  DMA_PREP_INTERRUPT | DMA_CTRL_ACK);
	unsigned int part;
	bool submitted;

	if (!tx)
		return false;
	part = copy->parts++;
	tx->callback_result = call_back;
	tx->callback_param = argument_of(copy, part);
	xa_lock_irq(&copies);
	__set_bit(part, copy->pending);
	copy->left++;
	xa_unlock_irq(&copies);

	submitted = !dma_submit_error(dmaengine_submit(tx));
	if (!submitted) {
		xa_lock_irq(&copies);
		settle(copy, part, true);
		xa_unlock_irq(&copies);
	}
	return submitted;
}

/* Where a copy has come to in one of its lists. */
struct place {
	struct scatterlist *sg;
	size_t offset;
};

static size_t left_at(const struct place *place)
{
	return sg_dma_len(place->sg) - place->offset;
}

static void move_on(struct place *place, size_t length)
{
	place->offset += length;
	if (place->offset == sg_dma_len(place->sg)) {
		place->sg = sg_next(place->sg);
		place->offset = 0;
	}
}

/*
 * Submits some parts. Returns how much of @length they are: 0 if the engine takes
 * no part, or is gone.
 */
static size_t submit_some(struct copy *copy, struct place *to,
			  struct place *from, size_t length)
{
	struct md_p2p_engine *engine = copy->engine;
	size_t submitted = 0;
	int i;

	down_read(&engine->use);
	reinit_completion(&copy->done);
	xa_lock_irq(&copies);
	copy->left = 1;
	xa_unlock_irq(&copies);
	for (i = 0; i < PARTS_AT_ONCE && submitted < length && shim_engine_is_there(engine); i++) {
		size_t part = min3(length - submitted, left_at(to), left_at(from));

		if (!submit_part(copy, sg_dma_address(to->sg) + to->offset,
				 sg_dma_address(from->sg) + from->offset, part))
			break;
		submitted += part;
		move_on(to, part);
		move_on(from, part);
	}
	if (submitted)
		dma_async_issue_pending(engine->chan);
	copy->began = jiffies;
	WRITE_ONCE(engine->answered, jiffies);
	xa_lock_irq(&copies);
	if (!--copy->left)
		complete(&copy->done);
	xa_unlock_irq(&copies);
	up_read(&engine->use);
	return submitted;
}

/* A channel that does not answer */

/* The channel has stopped: no callback comes for what it had, or has to. */
static void fail_all(struct md_p2p_engine *engine)
{
	struct copy *copy;
	unsigned long id;

	xa_lock_irq(&copies);
	xa_for_each(&copies, id, copy) {
		unsigned int part;

		if (copy->engine != engine)
			continue;
		for_each_set_bit(part, copy->pending, PARTS_OF_COPY)
			settle(copy, part, true);
	}
	xa_unlock_irq(&copies);
}

static bool retire(struct md_p2p_engine *engine)
{
	bool gone;

	spin_lock(&engine->lock);
	gone = engine->gone;
	engine->gone = true;
	spin_unlock(&engine->lock);
	return !gone;
}

/*
 * Nobody submits meanwhile, so whatever is left of copies has been submitted. A
 * channel of idxd that was stopped works no more until its queue is enabled anew.
 * So the engine stays as it is until its driver leaves.
 */
static void stop(struct md_p2p_engine *engine)
{
	bool first = retire(engine);

	down_write(&engine->use);
	if (first)
		pr_warn("md-p2p: the DMA engine %s (%s) does not answer: the CPU copies until its driver is bound anew\n",
			engine->channel, dev_name(engine->dev));
	if (!READ_ONCE(engine->lost) && !dmaengine_terminate_sync(engine->chan))
		fail_all(engine);
	else
		pr_warn_ratelimited("md-p2p: the DMA engine %s (%s) cannot be stopped either: unbind its driver to end what it has begun\n",
				    engine->channel, dev_name(engine->dev));
	up_write(&engine->use);
}

static void wait_for_parts(struct copy *copy)
{
	struct md_p2p_engine *engine = copy->engine;

	while (!wait_for_completion_timeout(&copy->done, PATIENCE)) {
		unsigned long answered = READ_ONCE(engine->answered);

		if (time_after_eq(jiffies, answered + PATIENCE) ||
		    time_after_eq(jiffies, copy->began + LAST_PATIENCE))
			stop(engine);
	}
}

/* Returns 0 or -EIO. The engine does not touch the pages any more. */
static int run(struct copy *copy, size_t length)
{
	struct place to = { .sg = copy->to.sgl };
	struct place from = { .sg = copy->from.sgl };

	while (length && !copy->failed) {
		size_t submitted = submit_some(copy, &to, &from, length);

		wait_for_parts(copy);
		if (!submitted)
			break;
		length -= submitted;
	}
	if (!length && !copy->failed)
		return 0;
	if (!copy->parts && !shim_engine_is_there(copy->engine))
		return -EAGAIN;
	/* A part that failed may have been called back by a channel that is stopping. */
	down_read(&copy->engine->use);
	up_read(&copy->engine->use);
	return -EIO;
}

/* A copy */

/* Returns false if there is no room for all of the segments. */
static bool list_pages(struct device *dev, struct sg_table *table,
		       struct scatterlist *list, struct bio *bio,
		       struct bvec_iter iter)
{
	unsigned int longest = dma_get_max_seg_size(dev);
	unsigned int count = 0;

	sg_init_table(list, SEGMENTS);
	while (iter.bi_size) {
		struct bio_vec vec = mp_bvec_iter_bvec(bio->bi_io_vec, iter);

		if (count == SEGMENTS)
			return false;
		vec.bv_len = min(vec.bv_len, longest);
		sg_set_page(&list[count++], vec.bv_page, vec.bv_len,
			    vec.bv_offset);
		bio_advance_iter_single(bio, &iter, vec.bv_len);
	}
	sg_mark_end(&list[count - 1]);
	*table = (struct sg_table){ .sgl = list, .orig_nents = count };
	return true;
}

static int map_and_run(struct copy *copy, size_t length)
{
	struct device *dev = copy->engine->dev;
	int ret = -EAGAIN;

	if (dma_map_sgtable(dev, &copy->from, DMA_TO_DEVICE, 0))
		return ret;
	if (!dma_map_sgtable(dev, &copy->to, DMA_FROM_DEVICE, 0)) {
		ret = run(copy, length);
		dma_unmap_sgtable(dev, &copy->to, DMA_FROM_DEVICE, 0);
	}
	dma_unmap_sgtable(dev, &copy->from, DMA_TO_DEVICE, 0);
	return ret;
}

static struct copy *new_copy(struct md_p2p_engine *engine)
{
	struct copy *copy = kzalloc(sizeof(*copy), GFP_NOIO | __GFP_NOWARN);

	if (!copy)
		return NULL;
	copy->engine = engine;
	init_completion(&copy->done);
	if (xa_alloc_cyclic_irq(&copies, &copy->id, copy, xa_limit_31b, &next_id,
				GFP_NOIO | __GFP_NOWARN) < 0) {
		kfree(copy);
		return NULL;
	}
	return copy;
}

static void free_copy(struct copy *copy)
{
	xa_erase_irq(&copies, copy->id);
	kfree(copy);
}

static bool begin(struct md_p2p_engine *engine)
{
	bool gone;

	spin_lock(&engine->lock);
	gone = engine->gone;
	if (!gone)
		engine->copying++;
	spin_unlock(&engine->lock);
	return !gone;
}

static void end(struct md_p2p_engine *engine)
{
	spin_lock(&engine->lock);
	if (!--engine->copying)
		wake_up(&engine->idle);
	spin_unlock(&engine->lock);
}

int shim_engine_copy(struct md_p2p_engine *engine, struct bio *to,
		     struct bvec_iter to_iter, struct bio *from,
		     struct bvec_iter from_iter)
{
	struct copy *copy;
	int ret = -EAGAIN;

	if (!begin(engine))
		return ret;
	down(&engine->room);
	copy = new_copy(engine);
	if (copy) {
		if (list_pages(engine->dev, &copy->to, copy->to_list, to,
			       to_iter) &&
		    list_pages(engine->dev, &copy->from, copy->from_list, from,
			       from_iter))
			ret = map_and_run(copy, to_iter.bi_size);
		free_copy(copy);
	}
	up(&engine->room);
	end(engine);
	return ret;
}

/* Drivers leave */

static bool is_idle(struct md_p2p_engine *engine)
{
	bool idle;

	spin_lock(&engine->lock);
	idle = !engine->copying;
	spin_unlock(&engine->lock);
	return idle;
}

static void give_back(struct md_p2p_engine *engine)
{
	if (engine->chan)
		dma_release_channel(engine->chan);
	engine->chan = NULL;
}

/*
 * Has nobody touch the channel of a driver that goes. Whoever is stopping it, or
 * submits to it, is waited for, but not for ever.
 */
static void lose(struct md_p2p_engine *engine)
{
	unsigned long until = jiffies + FAREWELL;
	bool alone;

	while (!(alone = down_write_trylock(&engine->use)) &&
	       time_before(jiffies, until))
		msleep(20);
	WRITE_ONCE(engine->lost, true);
	if (alone)
		up_write(&engine->use);
	pr_warn("md-p2p: the driver of the DMA engine %s (%s) goes while it copies: its module stays in use\n",
		engine->channel, dev_name(engine->dev));
}

/*
 * Under engines_lock. If there are still copies, the channel is never given back,
 * because the driver may have freed it when they end.
 */
static void let_go(struct md_p2p_engine *engine)
{
	if (engine->left)
		return;
	WRITE_ONCE(engine->left, true);
	retire(engine);
	if (wait_event_timeout(engine->idle, is_idle(engine), FAREWELL)) {
		down_write(&engine->use);
		give_back(engine);
		up_write(&engine->use);
	} else {
		lose(engine);
	}
}

static bool is_below(const struct device *dev, const struct device *ancestor)
{
	for (; dev; dev = dev->parent)
		if (dev == ancestor)
			return true;
	return false;
}

/* Of a work queue that goes it is not known which channel it is. */
static void driver_leaves(struct device *dev, bool may_have_channels)
{
	struct md_p2p_engine *engine;

	mutex_lock(&engines_lock);
	list_for_each_entry(engine, &engines, node)
		if (is_below(dev, engine->dev))
			let_go(engine);
	if (may_have_channels)
		quiet_until = jiffies + FAREWELL;
	mutex_unlock(&engines_lock);
}

/* Without its driver, a device does nothing any more. Not every driver calls back. */
static void driver_has_left(const struct device *dev)
{
	struct md_p2p_engine *engine;

	mutex_lock(&engines_lock);
	list_for_each_entry(engine, &engines, node)
		if (engine->dev == dev && engine->lost)
			fail_all(engine);
	mutex_unlock(&engines_lock);
}

static void driver_is_bound(void)
{
	mutex_lock(&engines_lock);
	quiet_until = jiffies;
	mutex_unlock(&engines_lock);
	shim_look_for_providers();
}

static int queue_event(struct notifier_block *nb, unsigned long event,
		       void *dev)
{
	if (event == BUS_NOTIFY_UNBIND_DRIVER)
		driver_leaves(dev, true);
	else if (event == BUS_NOTIFY_BOUND_DRIVER)
		driver_is_bound();
	return NOTIFY_DONE;
}

/* pci.c has the providers looked up when something is bound or unbound here. */
static int device_event(struct notifier_block *nb, unsigned long event,
			void *dev)
{
	switch (event) {
	case BUS_NOTIFY_UNBIND_DRIVER:
		driver_leaves(dev, is_wanted(dev));
		break;
	case BUS_NOTIFY_UNBOUND_DRIVER:
		driver_has_left(dev);
		break;
	case BUS_NOTIFY_BOUND_DRIVER:
		if (is_wanted(dev))
			driver_is_bound();
	}
	return NOTIFY_DONE;
}

static struct notifier_block devices = {
	.notifier_call = device_event,
};

int shim_engines_watch(void)
{
	cleaner = alloc_workqueue("md_p2p_engines", WQ_UNBOUND, 0);
	if (!cleaner)
		return -ENOMEM;
	bus_register_notifier(&pci_bus_type, &devices);
	return 0;
}

void shim_engines_unwatch(void)
{
	destroy_workqueue(cleaner);
	bus_unregister_notifier(&pci_bus_type, &devices);
}

static int is_queue(struct device *dev, void *bus)
{
	if (!dev->bus || strcmp(dev->bus->name, "dsa"))
		return 0;
	*(const struct bus_type **)bus = dev->bus;
	return 1;
}

/* Watches the bus of the work queues of DSA: whoever disables one unbinds it. */
static void watch_queues(struct md_p2p_engine *engine)
{
	device_for_each_child(engine->dev, &engine->bus, is_queue);
	engine->queues.notifier_call = queue_event;
	if (engine->bus && bus_register_notifier(engine->bus, &engine->queues))
		engine->bus = NULL;
}

/* An engine comes and goes */

static void free_engine(struct md_p2p_engine *engine)
{
	if (engine->bus)
		bus_unregister_notifier(engine->bus, &engine->queues);
	put_device(engine->dev);
	kfree(engine);
}

static void clean_up(struct work_struct *work)
{
	struct md_p2p_engine *engine =
		container_of(work, struct md_p2p_engine, work);

	mutex_lock(&engines_lock);
	list_del(&engine->node);
	if (!engine->lost)
		give_back(engine);
	mutex_unlock(&engines_lock);
	free_engine(engine);
}

/* Those that give back their references must not wait for drivers. */
static void release(struct kref *refs)
{
	struct md_p2p_engine *engine =
		container_of(refs, struct md_p2p_engine, refs);

	queue_work(cleaner, &engine->work);
}

void shim_engine_put(struct md_p2p_engine *engine)
{
	kref_put(&engine->refs, release);
}

void shim_engine_get(struct md_p2p_engine *engine)
{
	kref_get(&engine->refs);
}

bool shim_engine_is_there(const struct md_p2p_engine *engine)
{
	return !READ_ONCE(engine->gone);
}

static int distance(const struct md_p2p_engine *engine,
		    struct pci_dev *provider)
{
	return shim_pci_distance(provider, to_pci_dev(engine->dev));
}

bool shim_engine_serves(const struct md_p2p_engine *engine,
			struct pci_dev *provider)
{
	return !READ_ONCE(engine->left) && is_wanted(engine->dev) &&
	       distance(engine, provider) >= 0;
}

const char *shim_engine_channel(const struct md_p2p_engine *engine)
{
	return engine->channel;
}

const char *shim_engine_device(const struct md_p2p_engine *engine)
{
	return dev_name(engine->dev);
}

/* What is looked for among the channels that nobody has. */
struct search {
	struct pci_dev *provider;
	struct device *dev;		/* the nearest so far, with a reference */
	int distance;
	struct module *owner;		/* of the channel, with a reference */
};

/* A filter of dmaengine that takes none, but finds the nearest. */
static bool is_nearer(struct dma_chan *chan, void *data)
{
	struct search *search = data;
	struct device *dev = chan->device->dev;
	int distance;

	if (!dev_is_pci(dev) || chan->device->copy_align || !is_wanted(dev))
		return false;
	distance = shim_pci_distance(search->provider, to_pci_dev(dev));
	if (distance < 0 || (search->dev && distance >= search->distance))
		return false;
	put_device(search->dev);
	search->dev = get_device(dev);
	search->distance = distance;
	return false;
}

/*
 * A filter that takes a channel of the device. If its module were about to go,
 * dmaengine would take the device off its list, and later off again.
 */
static bool is_of_device(struct dma_chan *chan, void *data)
{
	struct search *search = data;

	if (chan->device->dev != search->dev || search->owner ||
	    !try_module_get(chan->device->owner))
		return false;
	search->owner = chan->device->owner;
	return true;
}

static struct dma_chan *request(dma_filter_fn filter, struct search *search)
{
	dma_cap_mask_t mask;

	dma_cap_zero(mask);
	dma_cap_set(DMA_MEMCPY, mask);
	return __dma_request_channel(&mask, filter, search, NULL);
}

static struct md_p2p_engine *new_engine(struct device *dev)
{
	struct md_p2p_engine *engine = kzalloc(sizeof(*engine), GFP_KERNEL);

	if (!engine)
		return NULL;
	kref_init(&engine->refs);
	INIT_WORK(&engine->work, clean_up);
	engine->dev = get_device(dev);
	sema_init(&engine->room, COPIES);
	init_rwsem(&engine->use);
	spin_lock_init(&engine->lock);
	init_waitqueue_head(&engine->idle);
	watch_queues(engine);
	return engine;
}

/* Drivers take channels off dmaengine's lists while others look at them. */
static bool is_quiet(void)
{
	bool quiet;

	mutex_lock(&engines_lock);
	quiet = time_before(jiffies, quiet_until);
	mutex_unlock(&engines_lock);
	return quiet;
}

/* Under engines_lock. Returns false if somebody else has taken the channel. */
static bool take_channel(struct md_p2p_engine *engine, struct search *search)
{
	if (time_before(jiffies, quiet_until))
		return false;
	engine->chan = request(is_of_device, search);
	module_put(search->owner);
	if (!engine->chan)
		return false;
	strscpy(engine->channel, dma_chan_name(engine->chan),
		sizeof(engine->channel));
	list_add(&engine->node, &engines);
	return true;
}

/* Makes an engine of a channel that nobody has. */
static struct md_p2p_engine *take(struct search *search)
{
	struct md_p2p_engine *engine = new_engine(search->dev);
	bool taken;

	if (!engine)
		return NULL;
	mutex_lock(&engines_lock);
	taken = take_channel(engine, search);
	mutex_unlock(&engines_lock);
	if (taken)
		return engine;
	free_engine(engine);
	return NULL;
}

/* Returns the nearest engine of ours, if it is nearer than @than. */
static struct md_p2p_engine *share(struct pci_dev *provider, int than)
{
	struct md_p2p_engine *engine, *nearest = NULL;

	mutex_lock(&engines_lock);
	list_for_each_entry(engine, &engines, node) {
		int far = distance(engine, provider);

		if (far >= than || !shim_engine_is_there(engine) ||
		    !shim_engine_serves(engine, provider) ||
		    !kref_get_unless_zero(&engine->refs))
			continue;
		if (nearest)
			shim_engine_put(nearest);
		nearest = engine;
		than = far;
	}
	mutex_unlock(&engines_lock);
	return nearest;
}

struct md_p2p_engine *shim_engine_find(struct pci_dev *provider)
{
	struct search search = { .provider = provider };
	struct md_p2p_engine *engine;

	if (is_quiet())
		return share(provider, INT_MAX);
	request(is_nearer, &search);
	engine = share(provider, search.dev ? search.distance : INT_MAX);
	if (!engine && search.dev)
		engine = take(&search) ?: share(provider, INT_MAX);
	put_device(search.dev);
	return engine;
}
