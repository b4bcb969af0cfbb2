static void raid1_end_read_request(struct bio *bio)
{
	struct r1bio *r1_bio = bio->bi_private;

	update_head_pos(r1_bio->read_disk, r1_bio);
	if (md_p2p_was_peer(bio))
		switch (md_p2p_member_ended(rdev, r1_bio->master_bio, bio, r1_bio->sector, r1_bio->sector + rdev->data_offset, r1_bio->sectors)) {
		case MD_P2P_AGAIN:  return;
		case MD_P2P_EXCUSED:  bio->bi_status = BLK_STS_INVAL;
			clear_bit(R1BIO_FailFast, &r1_bio->state);
			break;
		case MD_P2P_ENDED:  break;
		}
	if (uptodate)
		set_bit(R1BIO_Uptodate, &r1_bio->state);
}

static sector_t choose_data_offset(struct r10bio *r10_bio,
				   struct md_rdev *rdev);

static void raid10_end_read_request(struct bio *bio)
{
	struct r10bio *r10_bio = bio->bi_private;

	update_head_pos(slot, r10_bio);
	if (md_p2p_was_peer(bio))
		switch (md_p2p_member_ended(rdev, r10_bio->master_bio, bio, r10_bio->sector, r10_bio->devs[slot].addr + choose_data_offset(r10_bio, rdev), r10_bio->sectors)) {
		case MD_P2P_AGAIN:  return;
		case MD_P2P_EXCUSED:  bio->bi_status = BLK_STS_INVAL;
			break;
		case MD_P2P_ENDED:  break;
		}
	if (uptodate)
		set_bit(R10BIO_Uptodate, &r10_bio->state);
}

static void end_sync_read(struct bio *bio)
{
	update_head_pos(r1_bio->read_disk, r1_bio);
}

static void raid1_end_write_request(struct bio *bio)
{
	struct r1bio *r1_bio = bio->bi_private;
	int behind = test_bit(R1BIO_BehindIO, &r1_bio->state);
	bool ignore_error = !raid1_should_handle_error(bio);

	if (md_p2p_was_peer(bio))
		switch (md_p2p_member_ended(rdev, r1_bio->master_bio, bio, r1_bio->sector, r1_bio->sector + rdev->data_offset, r1_bio->sectors)) {
		case MD_P2P_AGAIN:  return;
		case MD_P2P_EXCUSED:  ignore_error = true;
			break;
		case MD_P2P_ENDED:  break;
		}
	if (bio->bi_status && !ignore_error) {
		set_bit(R1BIO_WriteError, &r1_bio->state);
	} else {
		set_bit(R1BIO_Uptodate, &r1_bio->state);
	}
}

static void raid10_end_write_request(struct bio *bio)
{
	struct r10bio *r10_bio = bio->bi_private;
	bool ignore_error = !raid1_should_handle_error(bio);

	if (md_p2p_was_peer(bio))
		switch (md_p2p_member_ended(rdev, r10_bio->master_bio, bio, r10_bio->sector, r10_bio->devs[slot].addr + choose_data_offset(r10_bio, rdev), r10_bio->sectors)) {
		case MD_P2P_AGAIN:  return;
		case MD_P2P_EXCUSED:  ignore_error = true;
			break;
		case MD_P2P_ENDED:  break;
		}
	if (bio->bi_status && !ignore_error) {
		set_bit(R10BIO_WriteError, &r10_bio->state);
	} else {
		set_bit(R10BIO_Uptodate, &r10_bio->state);
	}

	if (ignore_error)
		bio->bi_status = BLK_STS_OK;
	one_write_done(r10_bio);
}

static void raid1_read_request(struct mddev *mddev, struct bio *bio)
{
	bool err_path = md_cloned_bio(mddev, bio);

	if (likely(!md_cloned_bio(mddev, bio))) {
		md_account_bio(mddev, &bio);
		r1_bio->master_bio = bio;
	}
}

static void raid10_read_request(struct mddev *mddev, struct bio *bio)
{
	bool err_path = md_cloned_bio(mddev, bio);

	if (likely(!md_cloned_bio(mddev, bio))) {
		md_account_bio(mddev, &bio);
		r10_bio->master_bio = bio;
	}
}

static bool raid1_write_request(struct mddev *mddev, struct bio *bio)
{
	md_account_bio(mddev, &bio);
	r1_bio->master_bio = bio;
	return true;
}
