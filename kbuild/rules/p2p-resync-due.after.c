static bool md_choose_sync_action(struct mddev *mddev, int *spares)
{
	if (mddev->reshape_position != MaxSector) {
		set_bit(MD_RECOVERY_RESHAPE, &mddev->recovery);
		return true;
	}

	md_p2p_resync_due(mddev);
	if (mddev->resync_offset < MaxSector) {
		remove_spares(mddev, NULL);
		return true;
	}

	return false;
}

void md_do_sync(struct md_thread *thread)
{
	if (test_bit(MD_RECOVERY_SYNC, &mddev->recovery) &&
	    j > mddev->resync_offset) {
		mddev->resync_offset = j;
		md_p2p_resync_passed(mddev);
	}
	if (mddev->curr_resync > MD_RESYNC_ACTIVE) {
		md_finish_sync(mddev, action);
		md_p2p_resync_passed(mddev);
	}
 skip:
	spin_lock(&mddev->lock);
}

static void other(struct mddev *mddev)
{
	if (mddev->resync_offset < MaxSector) {
		return;
	}
}

static int choose_first_rdev(struct r1conf *conf, struct r1bio *r1_bio)
{
	for (disk = 0 ; disk < conf->raid_disks * 2 ; disk++) {
		rdev = conf->mirrors[disk].rdev;
		if (!rdev || test_bit(Faulty, &rdev->flags))
			continue;
		if (md_p2p_lacks(rdev, r1_bio->sector, r1_bio->sectors))
			continue;
		return disk;
	}
	return -1;
}

static void md_clean(struct mddev *mddev)
{
	mddev->raid_disks = 0;
	mddev->resync_offset = 0;
	md_p2p_resync_forgotten(mddev);
	mddev->resync_min = 0;
}
