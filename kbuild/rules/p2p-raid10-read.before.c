struct r10bio {
	atomic_t		remaining;
	sector_t		sector;
	struct r10dev {
		struct bio	*bio;
	} devs[];
};

static struct md_rdev *read_balance(struct r10conf *conf,
				    struct r10bio *r10_bio,
				    int *max_sectors)
{
	for (slot = 0; slot < conf->copies ; slot++) {
		if (rdev == NULL || test_bit(Faulty, &rdev->flags))
			continue;
		dev_sector = r10_bio->devs[slot].addr;
	}
	return rdev;
}

static void raid10_read_request(struct mddev *mddev, struct bio *bio,
				struct r10bio *r10_bio)
{
	struct r10conf *conf = mddev->private;

	rdev = read_balance(conf, r10_bio, &max_sectors);
	if (!rdev)
		return;
	if (max_sectors < bio_sectors(bio)) {
		allow_barrier(conf);
		bio = bio_submit_split_bioset(bio, max_sectors,
					      &conf->bio_split);
	}
	slot = r10_bio->read_slot;

	if (likely(!md_cloned_bio(mddev, bio))) {
		md_account_bio(mddev, &bio);
		r10_bio->master_bio = bio;
	}
	submit_bio_noacct(read_bio);
	return;
err_handle:
	raid_end_bio_io(r10_bio);
}

static sector_t reshape_request(struct mddev *mddev)
{
	rdev = read_balance(conf, r10_bio, &max_sectors);
	return 0;
}
