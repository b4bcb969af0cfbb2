static struct rdev_sysfs_entry rdev_p2pdma_distance = __ATTR(p2pdma_distance,
							     0444,
							     md_p2p_show_distance,
							     NULL);
static struct rdev_sysfs_entry rdev_p2pdma_read_bytes = __ATTR(p2pdma_read_bytes,
							       0444,
							       md_p2p_show_read_bytes,
							       NULL);
static struct rdev_sysfs_entry rdev_p2pdma_write_bytes = __ATTR(p2pdma_write_bytes,
								0444,
								md_p2p_show_write_bytes,
								NULL);

static struct attribute *rdev_default_attrs[] = {
	&rdev_p2pdma_distance.attr,
	&rdev_p2pdma_read_bytes.attr,
	&rdev_p2pdma_write_bytes.attr,
	&rdev_state.attr,
	NULL,
};

static int bind_rdev_to_array(struct md_rdev *rdev, struct mddev *mddev)
{
	list_add_rcu(&rdev->same_set, &mddev->disks);
	bd_link_disk_holder(rdev->bdev, mddev->gendisk);
	md_p2p_member_added(rdev);

	return 0;
}

static void md_kick_rdev_from_array(struct md_rdev *rdev)
{
	md_p2p_member_removed(rdev);
	bd_unlink_disk_holder(rdev->bdev, rdev->mddev->gendisk);
	list_del_rcu(&rdev->same_set);
}
