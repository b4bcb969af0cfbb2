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
		if (rdev && !md_p2p_in_ring(rdev, &r1_bio->p2p_ring))
			continue;
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
		if (rdev && !md_p2p_in_slow_ring(rdev, &r1_bio->p2p_ring))
			continue;
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
	if (!md_p2p_in_ring(rdev, &r1_bio->p2p_ring))
		return false;

	if (rdev_in_recovery(rdev, r1_bio))
		return false;

	return true;
}

static void raid1_read_request(struct mddev *mddev, struct bio *bio,
			       int max_read_sectors, struct r1bio *r1_bio)
{
	struct r1conf *conf = mddev->private;
	struct md_p2p_ring ring __uninitialized;

	md_p2p_first_ring(mddev, bio, &ring, &r1_bio->p2p_ring);
	do {
		rdisk = read_balance(conf, r1_bio, &max_sectors);
	}while (rdisk < 0 && md_p2p_next_ring(mddev, bio, r1_bio->p2p_ring));
	if (rdisk < 0) {
		raid_end_bio_io(r1_bio);
		return;
	}

	if (md_p2p_refuses(mirror->rdev, bio)) {
		set_bit(R1BIO_Returned, &r1_bio->state);
		goto err_handle;
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
	md_p2p_submit(bio, mirror->rdev, read_bio);
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
