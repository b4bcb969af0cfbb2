static void raid5_align_endio(struct bio *bi)
{
	struct bio *raid_bi = bi->bi_private;
	struct r5conf *conf = mddev->private;

	if (!error) {
		bio_endio(raid_bi);
		return;
	}
	md_p2p_io_goes(raid_bi, false);
	add_bio_to_retry(raid_bi, conf);
}

static int raid5_read_one_chunk(struct mddev *mddev, struct bio *raid_bio)
{
	if (!in_chunk_boundary(mddev, raid_bio) || md_p2p_must_stage(mddev, raid_bio)) {
		pr_debug("%s: non aligned\n", __func__);
		return 0;
	}
	md_account_bio(mddev, &raid_bio);
	md_p2p_io_goes(raid_bio, true);
	raid_bio->bi_next = (void *)rdev;
	return 1;
}

static bool raid5_make_request(struct mddev *mddev, struct bio *bi)
{
	md_account_bio(mddev, &bi);
	return true;
}

static void other(struct r5conf *conf)
{
	add_bio_to_retry(raid_bi, conf);
}
