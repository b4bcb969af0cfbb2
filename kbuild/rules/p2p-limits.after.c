int mddev_stack_rdev_limits(struct mddev *mddev, struct queue_limits *lim,
		unsigned int flags)
{
	struct md_rdev *rdev;

	rdev_for_each(rdev, mddev) {
		queue_limits_stack_bdev(lim, rdev->bdev, rdev->data_offset,
					mddev->gendisk->disk_name);
	}
	md_p2p_stack_limits(mddev, lim);
	return 0;
}

int mddev_stack_new_rdev(struct mddev *mddev, struct md_rdev *rdev)
{
	struct queue_limits lim;

	if (mddev_is_dm(mddev))
		return 0;

	lim = queue_limits_start_update(mddev->gendisk->queue);
	queue_limits_stack_bdev(&lim, rdev->bdev, rdev->data_offset,
				mddev->gendisk->disk_name);
	if (!queue_limits_stack_integrity_bdev(&lim, rdev->bdev)) {
		queue_limits_cancel_update(mddev->gendisk->queue);
		return -ENXIO;
	}

	md_p2p_stack_limits(mddev, &lim);
	return queue_limits_commit_update(mddev->gendisk->queue, &lim);
}

void mddev_update_io_opt(struct mddev *mddev, unsigned int nr_stripes)
{
	queue_limits_commit_update(mddev->gendisk->queue, &lim);
}
