// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/picky: a drive in front of another one, which says that it takes peer
 * memory. As long as it is told to, it fails: it ends I/O as NVMe does when it
 * cannot map a page, or when the transfer fails; or it loses what it has read; or
 * it takes peer memory only. For the tests, because no topology makes a drive say
 * one thing and do another.
 */
#include <linux/blkdev.h>
#include <linux/memremap.h>
#include <linux/module.h>

static char *drive;
module_param(drive, charp, 0444);
MODULE_PARM_DESC(drive, "path of the drive behind this one");

static int refuse;
module_param(refuse, int, 0644);
MODULE_PARM_DESC(refuse, "peer memory: 0 works, 1 cannot be mapped, 2 is not reached in the end, 3 does not get what is read, 4 works where reads into host memory do not");

static atomic_t refused = ATOMIC_INIT(0);

static int get_refused(char *page, const struct kernel_param *kp)
{
	return sysfs_emit(page, "%d\n", atomic_read(&refused));
}

static const struct kernel_param_ops refused_ops = {
	.get = get_refused,
};
module_param_cb(refused, &refused_ops, NULL, 0444);
MODULE_PARM_DESC(refused, "how many I/Os it has refused");

static struct file *behind;
static struct gendisk *disk;

static bool is_refused(int how, bool peer, bool write)
{
	switch (how) {
	case 1:
	case 2:
		return peer;
	case 3:
		return peer && !write;
	case 4:
		return !peer && !write;
	default:
		return false;
	}
}

static void picky_submit_bio(struct bio *bio)
{
	int how = READ_ONCE(refuse);

	if (bio_has_data(bio) &&
	    is_refused(how, is_pci_p2pdma_page(bio_page(bio)), op_is_write(bio_op(bio)))) {
		atomic_inc(&refused);
		if (how != 3)
			bio->bi_status = how == 1 ? BLK_STS_INVAL : BLK_STS_IOERR;
		bio_endio(bio);
		return;
	}
	bio_set_dev(bio, file_bdev(behind));
	submit_bio_noacct(bio);
}

static const struct block_device_operations picky_ops = {
	.owner = THIS_MODULE,
	.submit_bio = picky_submit_bio,
};

static int add_disk_before(struct block_device *bdev)
{
	struct queue_limits lim;
	int err;

	blk_set_stacking_limits(&lim);
	lim.features |= BLK_FEAT_PCI_P2PDMA;
	queue_limits_stack_bdev(&lim, bdev, 0, "picky");
	disk = blk_alloc_disk(&lim, NUMA_NO_NODE);
	if (IS_ERR(disk))
		return PTR_ERR(disk);
	disk->fops = &picky_ops;
	strscpy(disk->disk_name, "picky");
	set_capacity(disk, bdev_nr_sectors(bdev));
	err = device_add_disk(disk_to_dev(bdev->bd_disk)->parent, disk, NULL);
	if (err)
		put_disk(disk);
	return err;
}

static int __init picky_init(void)
{
	int err;

	behind = bdev_file_open_by_path(drive,
					BLK_OPEN_READ | BLK_OPEN_WRITE,
					THIS_MODULE, NULL);
	if (IS_ERR(behind))
		return PTR_ERR(behind);
	err = add_disk_before(file_bdev(behind));
	if (err)
		bdev_fput(behind);
	return err;
}
module_init(picky_init);

static void __exit picky_exit(void)
{
	del_gendisk(disk);
	put_disk(disk);
	bdev_fput(behind);
}
module_exit(picky_exit);

MODULE_DESCRIPTION("A drive that cannot map what it says it can");
MODULE_LICENSE("GPL");
