static void raid0_map_submit_bio(struct mddev *mddev, struct bio *bio)
{
	struct strip_zone *zone;
	struct md_rdev *tmp_dev;

	zone = find_zone(mddev->private, &sector);
	switch (conf->layout) {
	case RAID0_ORIG_LAYOUT:
		tmp_dev = map_sector(mddev, zone, bio_sector, &sector);
		break;
	default:
		bio_io_error(bio);
		return;
	}

	if (md_p2p_refuses(tmp_dev, bio))
		return;
	md_account_bio(mddev, &bio);
	if (unlikely(is_rdev_broken(tmp_dev))) {
		bio_io_error(bio);
		md_error(mddev, tmp_dev);
		return;
	}

	bio_set_dev(bio, tmp_dev->bdev);
	md_p2p_submit(bio, tmp_dev, bio);
}

static bool linear_make_request(struct mddev *mddev, struct bio *bio)
{
	struct dev_info *tmp_dev;

	tmp_dev = which_dev(mddev, bio_sector);
	if (unlikely(bio_sector >= end_sector))
		goto out_of_bounds;

	if (md_p2p_refuses(tmp_dev->rdev, bio))
		return true;
	md_account_bio(mddev, &bio);
	bio_set_dev(bio, tmp_dev->rdev->bdev);
	if (unlikely(bio_op(bio) == REQ_OP_DISCARD)) {
		bio_endio(bio);
	} else {
		mddev_check_write_zeroes(mddev, bio);
		md_p2p_submit(bio, tmp_dev->rdev, bio);
	}
	return true;

out_of_bounds:
	bio_io_error(bio);
	return true;
}

static void other(struct mddev *mddev, struct bio *bio)
{
	md_account_bio(mddev, &bio);
}
