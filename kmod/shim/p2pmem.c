// SPDX-License-Identifier: GPL-2.0
/*
 * Peer pages that rebuilds take from their provider, and how many they may take.
 *
 * Tests: the scenarios rebuild-provider, rebuild-lost and rebuild-gone.
 */
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/pci-p2pdma.h>

#include "shim.h"

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

/*
 * pci_alloc_p2pmem() expects a pool. If the device has got another driver
 * meanwhile, it may have none. While the device has peer pages, it has a pool:
 * the first pages come after the pool, and go before it.
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
 * Does what p2pmem_alloc_mmap() of drivers/pci/p2pdma.c does: the pool counts
 * one use of the memory for each allocation, but takes back page by page.
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
