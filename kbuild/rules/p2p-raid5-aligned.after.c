static void raid5_align_endio(struct bio *bi)
{
	struct bio *raid_bi = bi->bi_private;
	struct r5conf *conf = mddev->private;

	if (!error) {
		bio_endio(raid_bi);
		return;
	}
	md_p2p_io_copied(raid_bi);
	add_bio_to_retry(raid_bi, conf);
}

static int raid5_read_one_chunk(struct mddev *mddev, struct bio *raid_bio)
{
	if (!in_chunk_boundary(mddev, raid_bio)) {
		pr_debug("%s: non aligned\n", __func__);
		return 0;
	}
	if (rdev_has_badblock(rdev, sector, bio_sectors(raid_bio)) || md_p2p_must_stage(rdev, raid_bio)) {
		rdev_dec_pending(rdev, mddev);
		return 0;
	}
	md_account_bio(mddev, &raid_bio);
	md_p2p_io_to(raid_bio, rdev);
	raid_bio->bi_next = (void *)rdev;
	return 1;
}

static struct bio *chunk_aligned_read(struct mddev *mddev, struct bio *raid_bio)
{
	if (sectors < bio_sectors(raid_bio)) {
		raid_bio = bio_submit_split_bioset(raid_bio, sectors,
						   md_p2p_splits(mddev, raid_bio, &conf->bio_split));
		if (!raid_bio)
			return NULL;
	}
	return raid_bio;
}

static bool raid5_make_request(struct mddev *mddev, struct bio *bi)
{
	if (rw == READ) {
		bi = chunk_aligned_read(mddev, bi);
		if (!bi)
			return true;
	}

	if (bio_data_dir(bi) == READ && md_p2p_takes_cached(mddev, bi))
		return true;
	if (unlikely(bio_op(bi) == REQ_OP_DISCARD)) {
		make_discard_request(mddev, bi);
		md_write_end(mddev);
		return true;
	}
	md_account_bio(mddev, &bi);
	return true;
}

static void other(struct r5conf *conf)
{
	if (rdev_has_badblock(rdev, sh->sector, RAID5_STRIPE_SECTORS(conf)))
		return;
	add_bio_to_retry(raid_bi, conf);
}
