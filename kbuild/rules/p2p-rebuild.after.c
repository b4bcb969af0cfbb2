struct r1bio {
	atomic_t remaining;
	union {
		struct md_p2p_loan *p2p_loan;
		struct md_p2p_ring *p2p_ring;
	};
	sector_t sector;
	struct bio *bios[];
};

struct r10bio {
	atomic_t remaining;
	union {
		struct md_p2p_loan *p2p_loan;
		struct md_p2p_ring *p2p_ring;
	};
	sector_t sector;
	struct r10dev devs[];
};

static void put_buf(struct r1bio *r1_bio)
{
	struct r1conf *conf = r1_bio->mddev->private;

	md_p2p_rebuild_put(&r1_bio->p2p_loan);
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

	md_p2p_rebuild_starts(conf->mddev);
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
		if (!md_p2p_rebuild_lost(r1_bio->p2p_loan, bio)) {
			set_bit(WriteErrorSeen, &rdev->flags);
			if (!test_and_set_bit(WantReplacement, &rdev->flags))
				set_bit(MD_RECOVERY_NEEDED, &mddev->recovery);
		}
		set_bit(R1BIO_WriteError, &r1_bio->state);
	} else if (rdev_has_badblock(rdev, r1_bio->sector, r1_bio->sectors))
		set_bit(R1BIO_MadeGood, &r1_bio->state);

	md_p2p_rebuild_wrote(mddev, r1_bio->p2p_loan, bio, r1_bio->sectors);
	put_sync_write_buf(r1_bio);
}

static void sync_request_write(struct mddev *mddev, struct r1bio *r1_bio)
{
	for (i = 0; i < disks ; i++) {
		wbio = r1_bio->bios[i];
		wbio->bi_end_io = end_sync_write;
		atomic_inc(&r1_bio->remaining);

		md_p2p_rebuild_write(r1_bio->p2p_loan, wbio);
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
		md_p2p_rebuild_read(&r1_bio->p2p_loan, mddev, bio,
				    r1_bio->bios, conf->raid_disks * 2);
	}
	return nr_sectors;
}

static void end_sync_write(struct bio *bio)
{
	if (bio->bi_status) {
		if (repl)
			md_error(mddev, rdev);
		else {
			if (!md_p2p_rebuild_lost(r10_bio->p2p_loan, bio)) {
				set_bit(WriteErrorSeen, &rdev->flags);
				if (!test_and_set_bit(WantReplacement, &rdev->flags))
					set_bit(MD_RECOVERY_NEEDED,
						&rdev->mddev->recovery);
			}
			set_bit(R10BIO_WriteError, &r10_bio->state);
		}
	} else if (rdev_has_badblock(rdev, r10_bio->devs[slot].addr,
				     r10_bio->sectors))
		set_bit(R10BIO_MadeGood, &r10_bio->state);

	md_p2p_rebuild_wrote(mddev, r10_bio->p2p_loan, bio, r10_bio->sectors);
	rdev_dec_pending(rdev, mddev);

	end_sync_request(r10_bio);
}

static void recovery_request_write(struct mddev *mddev, struct r10bio *r10_bio)
{
	if (wbio->bi_end_io) {
		atomic_inc(&conf->mirrors[d].rdev->nr_pending);
		md_p2p_rebuild_write(r10_bio->p2p_loan, wbio);
	}
	if (wbio2) {
		atomic_inc(&conf->mirrors[d].replacement->nr_pending);
		md_p2p_rebuild_write(r10_bio->p2p_loan, wbio2);
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
			if (test_bit(R10BIO_IsRecover, &r10_bio->state)) {
				struct bio *written[] = {
					r10_bio->devs[1].bio,
					r10_bio->devs[1].repl_bio
				};

				md_p2p_rebuild_read(&r10_bio->p2p_loan, mddev,
						    bio, written,
						    ARRAY_SIZE(written));
			}
			else {
				submit_bio_noacct(bio);
			}
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
		md_p2p_rebuilt(conf->mddev, RAID5_STRIPE_SECTORS(conf));
		md_done_sync(conf->mddev, RAID5_STRIPE_SECTORS(conf));
		clear_bit(STRIPE_SYNCING, &sh->state);
	}
}
