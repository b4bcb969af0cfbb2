void md_update_sb(struct mddev *mddev, int force_change)
{
	rdev_for_each(rdev, mddev) {
		if (rdev->raid_disk >= 0 &&
		    test_bit(MD_RECOVERY_RUNNING, &mddev->recovery) &&
		    md_p2p_recovers(mddev) &&
		    !test_bit(In_sync, &rdev->flags))
			rdev->recovery_offset = mddev->curr_resync_completed;
	}
}

void md_do_sync(struct md_thread *thread)
{
	if (test_bit(MD_RECOVERY_RECOVER, &mddev->recovery))
		goto skip;
	action = md_p2p_chosen_action(mddev);
	if (action == ACTION_FROZEN || action == ACTION_IDLE)
		goto skip;
 skip:
	set_bit(MD_RECOVERY_DONE, &mddev->recovery);
}

static ssize_t action_show(struct mddev *mddev, char *page)
{
	action = md_sync_action(mddev);
	return sprintf(page, "%s\n", md_sync_action_name(action));
}
