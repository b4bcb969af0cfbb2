void md_do_sync(struct md_thread *thread)
{
	if (j >= MD_RESYNC_ACTIVE)
		mddev->curr_resync = j;
	else
		mddev->curr_resync = MD_RESYNC_ACTIVE;

	if (!test_bit(MD_RECOVERY_RESHAPE, &mddev->recovery) &&
	    mddev->curr_resync >= MD_RESYNC_ACTIVE) {
		mddev->curr_resync_completed = mddev->curr_resync;
		sysfs_notify_dirent_safe(mddev->sysfs_completed);
	}
	if (mddev->curr_resync > MD_RESYNC_ACTIVE)
		md_finish_sync(mddev, action);
}
