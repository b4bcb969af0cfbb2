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
		if (!md_p2p_in_ring(rdev, &r10_bio->p2p_ring) && do_balance)
			continue;
		dev_sector = r10_bio->devs[slot].addr;
	}
	return rdev;
}

static void raid10_read_request(struct mddev *mddev, struct bio *bio,
				struct r10bio *r10_bio)
{
	struct r10conf *conf = mddev->private;
	struct md_p2p_ring ring __uninitialized;

	r10_bio->p2p_ring = NULL;
	md_p2p_first_ring(mddev, bio, &ring, &r10_bio->p2p_ring);
	do {
		rdev = read_balance(conf, r10_bio, &max_sectors);
	}while (!rdev && md_p2p_next_ring(mddev, bio, r10_bio->p2p_ring));
	if (!rdev)
		return;
	if (md_p2p_refuses(rdev, bio)) {
		set_bit(R10BIO_Returned, &r10_bio->state);
		goto err_handle;
	}
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
	md_p2p_submit(bio, rdev, read_bio);
	return;
err_handle:
	raid_end_bio_io(r10_bio);
}

static sector_t reshape_request(struct mddev *mddev)
{
	r10_bio->p2p_ring = NULL;
	rdev = read_balance(conf, r10_bio, &max_sectors);
	return 0;
}
