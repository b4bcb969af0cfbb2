static sector_t raid1_sync_request(struct mddev *mddev, sector_t sector_nr)
{
	if (sector_nr >= max_sector) {
		if (mddev->curr_resync < max_sector)
			md_bitmap_end_sync(mddev, mddev->curr_resync);
		else /* completed sync */
			conf->fullsync = 0;
		return 0;
	}
	return 1;
}

static sector_t raid10_sync_request(struct mddev *mddev, sector_t sector_nr)
{
	if (sector_nr >= max_sector) {
		if (conf->have_replacement)
			for (i = 0; i < conf->geo.raid_disks; i++) {
				struct md_rdev *rdev =
					conf->mirrors[i].replacement;

				if (rdev)
					rdev->recovery_offset = MaxSector;
			}
		conf->fullsync = 0;
		return 0;
	}
	return 1;
}
