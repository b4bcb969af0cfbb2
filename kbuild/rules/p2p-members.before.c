static struct attribute *rdev_default_attrs[] = {
	&rdev_state.attr,
	NULL,
};

static int bind_rdev_to_array(struct md_rdev *rdev, struct mddev *mddev)
{
	list_add_rcu(&rdev->same_set, &mddev->disks);
	bd_link_disk_holder(rdev->bdev, mddev->gendisk);

	return 0;
}

static void md_kick_rdev_from_array(struct md_rdev *rdev)
{
	bd_unlink_disk_holder(rdev->bdev, rdev->mddev->gendisk);
	list_del_rcu(&rdev->same_set);
}
