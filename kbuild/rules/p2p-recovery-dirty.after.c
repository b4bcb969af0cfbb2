static int super_1_validate(struct mddev *mddev, struct md_rdev *freshest, struct md_rdev *rdev)
{
	switch (role) {
	default:
		rdev->saved_raid_disk = role;
		if ((le32_to_cpu(sb->feature_map) &
		     MD_FEATURE_RECOVERY_OFFSET)) {
			rdev->recovery_offset = le64_to_cpu(sb->recovery_offset);
			if (md_p2p_recovers_anew(sb))
				rdev->recovery_offset = 0;
			if (!(le32_to_cpu(sb->feature_map) &
			      MD_FEATURE_RECOVERY_BITMAP))
				rdev->saved_raid_disk = -1;
		} else {
			set_bit(In_sync, &rdev->flags);
		}
	}
	return 0;
}

static int read_rdev(struct mddev *mddev, struct md_rdev *rdev)
{
	if ((le32_to_cpu(sb->feature_map) & MD_FEATURE_RECOVERY_OFFSET))
		rdev->recovery_offset = le64_to_cpu(sb->recovery_offset);

	if (rdev->recovery_offset == MaxSector)
		return 1;
	return 0;
}
