// SPDX-License-Identifier: GPL-2.0
/*
 * PCI devices: what they are, how far they are from each other, and when that
 * may have changed.
 *
 * Tests: the scenarios unreachable, stale, newcomer and gone.
 */
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/memremap.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/swiotlb.h>
#include <linux/workqueue.h>

#include "pci.h"
#include "shim.h"

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
 * The kernel remembers an answer about distances under the client's address,
 * for whoever maps next. So nobody may ask about a device that another one has
 * replaced at its address.
 */
static bool may_ask_about(struct pci_dev *dev)
{
	return device_is_registered(&dev->dev) && !pci_dev_is_disconnected(dev);
}

/*
 * Checks what pci_p2pdma_distance() does not look at. If such a device failed to
 * map, the block layer would take that for a passing failure, and try for ever.
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
	/* If it publishes, no other device that publishes is nearer to it. */
	nearest = pci_p2pmem_find_many(&client, 1);
	pci_dev_put(nearest);
	return nearest == dev;
}

/* Devices come and go */

static void (*tell)(void);

static void providers_changed(struct work_struct *work)
{
	tell();
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

void shim_pci_init(void (*changed)(void))
{
	tell = changed;
}

void shim_pci_watch(void)
{
	bus_register_notifier(&pci_bus_type, &pci_notifier);
}

void shim_pci_unwatch(void)
{
	bus_unregister_notifier(&pci_bus_type, &pci_notifier);
	disable_delayed_work_sync(&providers_work);
}
