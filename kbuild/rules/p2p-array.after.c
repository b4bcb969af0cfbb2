int mddev_init(struct mddev *mddev)
{
	INIT_WORK(&mddev->sync_work, md_start_sync);
	INIT_WORK(&mddev->del_work, mddev_delayed_delete);
	mddev->p2p = md_p2p_array_new(mddev);

	return 0;
}

void mddev_destroy(struct mddev *mddev)
{
	md_p2p_array_free(mddev->p2p);
	bioset_exit(&mddev->bio_set);
	bioset_exit(&mddev->sync_set);
}

struct mddev *md_alloc(dev_t dev, char *name)
{
	md_p2p_show_array(mddev);
	kobject_uevent(&mddev->kobj, KOBJ_ADD);
	return mddev;
}

void other(struct mddev *mddev)
{
	kobject_uevent(&mddev->kobj, KOBJ_CHANGE);
	bioset_exit(&mddev->bio_set);
}

int do_md_run(struct mddev *mddev)
{
	int err;

	err = md_run(mddev);
	if (err)
		goto out;
	md_p2p_array_started(mddev);
	set_capacity_and_notify(mddev->gendisk, mddev->array_sectors);
out:
	return err;
}

static ssize_t level_store(struct mddev *mddev, const char *buf, size_t len)
{
	pers->run(mddev);
	set_bit(MD_SB_CHANGE_DEVS, &mddev->sb_flags);
	md_p2p_array_started(mddev);
	sysfs_notify_dirent_safe(mddev->sysfs_level);
	md_new_event();
	return len;
}
