// SPDX-License-Identifier: GPL-2.0
/*
 * What Rust asks of MD's arrays and members, and tells them.
 *
 * Tests: the scenarios multipath, no-support, journal and policy.
 */
#include <linux/blkdev.h>
#include <linux/device.h>
#include <linux/mutex.h>
#include <linux/pci.h>

#include "md.h"
#include "members.h"
#include "shim.h"

/* Whoever holds a disk keeps the disk's ancestors. */
static struct pci_dev *pci_ancestor(struct device *dev)
{
	for (dev = dev->parent; dev; dev = dev->parent)
		if (dev_is_pci(dev))
			return pci_dev_get(to_pci_dev(dev));
	return NULL;
}

/*
 * An NVMe namespace that may have several paths is a disk without a PCI device,
 * nvme1n2. Behind it is a disk for each path, nvme1c0n2: see
 * drivers/nvme/host/multipath.c.
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

void shim_set_advertised(struct queue_limits *lim, bool advertise)
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

	/* An array that has not started asks md_p2p_stack_limits() later. */
	if (!mddev->gendisk || !mddev->pers)
		return true;
	q = mddev->gendisk->queue;
	if (blk_queue_pci_p2pdma(q) == advertise)
		return true;
	/*
	 * The thread that holds the limits may be freezing the queue, and wait
	 * for I/O that waits for this suspended array. So never wait for it.
	 */
	if (!mutex_trylock(&q->limits_lock))
		return false;
	lim = q->limits;
	shim_set_advertised(&lim, advertise);
	if (queue_limits_commit_update(q, &lim))
		pr_warn("md-p2p: %s: could not set the queue limits\n",
			mdname(mddev));
	return true;
}
