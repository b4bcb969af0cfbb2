static void alloc_behind_master_bio(struct r1bio *r1_bio, struct bio *bio)
{
	struct bio *behind_bio = NULL;

	if (!bio_has_data(bio))
		goto skip_copy;
	md_p2p_copy_data(behind_bio, behind_bio->bi_iter, bio, bio->bi_iter);
	md_p2p_io_copied(bio);
skip_copy:
	r1_bio->behind_master_bio = behind_bio;
}

static void process_checks(struct r1bio *r1_bio)
{
	bio_copy_data(sbio, pbio);
}

static void raid1_start_write_behind(struct mddev *mddev, struct r1bio *r1_bio,
				     struct bio *bio)
{
	int err;

	if (!md_bitmap_enabled(mddev, false))
		return;

	if (!md_p2p_may_copy(mddev, bio))
		return;
	err = mddev->bitmap_ops->get_stats(mddev->bitmap, &stats);
	if (err)
		return;
	alloc_behind_master_bio(r1_bio, bio);
}
