// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that lets its device take part in P2PDMA, but adds no memory. vfio-pci
 * does the same. For the tests, which bind it to a drive that has lent memory.
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>

static int poolless_probe(struct pci_dev *dev, const struct pci_device_id *id)
{
	return pcim_p2pdma_init(dev);
}

static struct pci_driver poolless = {
	.name = "poolless",
	.probe = poolless_probe,
};
module_pci_driver(poolless);

MODULE_DESCRIPTION("A driver with P2PDMA and without memory for it");
MODULE_LICENSE("GPL");
