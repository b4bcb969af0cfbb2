struct r1bio {
	atomic_t remaining;
	sector_t sector;
	struct bio *bios[];
};

struct r10bio {
	atomic_t remaining;
	sector_t sector;
	struct r10dev devs[];
};

static void put_buf(struct r1bio *r1_bio)
{
	struct r1conf *conf = r1_bio->mddev->private;

	mempool_free(r1_bio, &conf->r1buf_pool);

	lower_barrier(conf, sect);
}

static void free_r1bio(struct r1bio *r1_bio)
{
	put_all_bios(conf, r1_bio);
	mempool_free(r1_bio, conf->r1bio_pool);
}

static int init_resync(struct r1conf *conf)
{
	int buffs;

	buffs = RESYNC_WINDOW / RESYNC_BLOCK_SIZE;
	return mempool_init(&conf->r1buf_pool, buffs, r1buf_pool_alloc,
			    r1buf_pool_free, conf);
}

static void put_sync_write_buf(struct r1bio *r1_bio)
{
	put_buf(r1_bio);
	md_done_sync(mddev, s);
}

static void end_sync_write(struct bio *bio)
{
	if (bio->bi_status) {
		abort_sync_write(mddev, r1_bio);
		set_bit(WriteErrorSeen, &rdev->flags);
		if (!test_and_set_bit(WantReplacement, &rdev->flags))
			set_bit(MD_RECOVERY_NEEDED, &mddev->recovery);
		set_bit(R1BIO_WriteError, &r1_bio->state);
	} else if (rdev_has_badblock(rdev, r1_bio->sector, r1_bio->sectors))
		set_bit(R1BIO_MadeGood, &r1_bio->state);

	put_sync_write_buf(r1_bio);
}

static void sync_request_write(struct mddev *mddev, struct r1bio *r1_bio)
{
	for (i = 0; i < disks ; i++) {
		wbio = r1_bio->bios[i];
		wbio->bi_end_io = end_sync_write;
		atomic_inc(&r1_bio->remaining);

		submit_bio_noacct(wbio);
	}

	put_sync_write_buf(r1_bio);
}

static sector_t raid1_sync_request(struct mddev *mddev, sector_t sector_nr)
{
	if (test_bit(MD_RECOVERY_REQUESTED, &mddev->recovery)) {
		for (i = 0; i < conf->raid_disks * 2 && read_targets; i++) {
			bio = r1_bio->bios[i];
			if (bio->bi_end_io == end_sync_read) {
				read_targets--;
				if (read_targets == 1)
					bio->bi_opf &= ~MD_FAILFAST;
				submit_bio_noacct(bio);
			}
		}
	} else {
		atomic_set(&r1_bio->remaining, 1);
		bio = r1_bio->bios[r1_bio->read_disk];
		if (read_targets == 1)
			bio->bi_opf &= ~MD_FAILFAST;
		submit_bio_noacct(bio);
	}
	return nr_sectors;
}

static void end_sync_write(struct bio *bio)
{
	if (bio->bi_status) {
		if (repl)
			md_error(mddev, rdev);
		else {
			set_bit(WriteErrorSeen, &rdev->flags);
			if (!test_and_set_bit(WantReplacement, &rdev->flags))
				set_bit(MD_RECOVERY_NEEDED,
					&rdev->mddev->recovery);
			set_bit(R10BIO_WriteError, &r10_bio->state);
		}
	} else if (rdev_has_badblock(rdev, r10_bio->devs[slot].addr,
				     r10_bio->sectors))
		set_bit(R10BIO_MadeGood, &r10_bio->state);

	rdev_dec_pending(rdev, mddev);

	end_sync_request(r10_bio);
}

static void recovery_request_write(struct mddev *mddev, struct r10bio *r10_bio)
{
	if (wbio->bi_end_io) {
		atomic_inc(&conf->mirrors[d].rdev->nr_pending);
		submit_bio_noacct(wbio);
	}
	if (wbio2) {
		atomic_inc(&conf->mirrors[d].replacement->nr_pending);
		submit_bio_noacct(wbio2);
	}
}

static sector_t raid10_sync_request(struct mddev *mddev, sector_t sector_nr)
{
	while (biolist) {
		bio = biolist;
		biolist = biolist->bi_next;

		bio->bi_next = NULL;
		r10_bio = get_resync_r10bio(bio);
		r10_bio->sectors = nr_sectors;

		if (bio->bi_end_io == end_sync_read) {
			bio->bi_status = 0;
			submit_bio_noacct(bio);
		}
	}

	return nr_sectors;
}

static void handle_failed_sync(struct r5conf *conf, struct stripe_head *sh)
{
	clear_bit(STRIPE_SYNCING, &sh->state);
	md_done_sync(conf->mddev, RAID5_STRIPE_SECTORS(conf));
}

static void handle_stripe(struct stripe_head *sh)
{
	if ((s.syncing || s.replacing) && s.locked == 0 &&
	    test_bit(STRIPE_INSYNC, &sh->state)) {
		md_done_sync(conf->mddev, RAID5_STRIPE_SECTORS(conf));
		clear_bit(STRIPE_SYNCING, &sh->state);
	}
}
