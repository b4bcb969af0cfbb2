struct r1bio {
	atomic_t remaining;
	struct bio *behind_master_bio;
	struct bio *bios[];
};

static int choose_first_rdev(struct r1conf *conf, struct r1bio *r1_bio)
{
	rdev = conf->mirrors[disk].rdev;
	return -1;
}

static int choose_bb_rdev(struct r1conf *conf, struct r1bio *r1_bio)
{
	for (disk = 0 ; disk < conf->raid_disks * 2 ; disk++) {
		rdev = conf->mirrors[disk].rdev;
		if (!rdev || test_bit(Faulty, &rdev->flags))
			continue;
		best_disk = disk;
	}
	return best_disk;
}

static int choose_slow_rdev(struct r1conf *conf, struct r1bio *r1_bio)
{
	for (disk = 0 ; disk < conf->raid_disks * 2 ; disk++) {
		rdev = conf->mirrors[disk].rdev;
		if (!rdev || test_bit(Faulty, &rdev->flags))
			continue;
		return disk;
	}
	return -1;
}

static bool rdev_readable(struct md_rdev *rdev, struct r1bio *r1_bio)
{
	if (!rdev || test_bit(Faulty, &rdev->flags))
		return false;

	if (rdev_in_recovery(rdev, r1_bio))
		return false;

	return true;
}

static void raid1_read_request(struct mddev *mddev, struct bio *bio,
			       int max_read_sectors, struct r1bio *r1_bio)
{
	struct r1conf *conf = mddev->private;

	rdisk = read_balance(conf, r1_bio, &max_sectors);
	if (rdisk < 0) {
		raid_end_bio_io(r1_bio);
		return;
	}

	if (max_sectors < bio_sectors(bio)) {
		bio = bio_submit_split_bioset(bio, max_sectors,
					      &conf->bio_split);
		if (!bio)
			goto err_handle;
	}

	r1_bio->read_disk = rdisk;
	if (likely(!md_cloned_bio(mddev, bio))) {
		md_account_bio(mddev, &bio);
		r1_bio->master_bio = bio;
	}
	submit_bio_noacct(read_bio);
	return;

err_handle:
	raid_end_bio_io(r1_bio);
}

static bool raid1_write_request(struct mddev *mddev, struct bio *bio)
{
	if (max_sectors < bio_sectors(bio))
		bio = bio_submit_split_bioset(bio, max_sectors,
					      &conf->bio_split);
	return true;
}
