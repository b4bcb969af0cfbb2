bool md_handle_request(struct mddev *mddev, struct bio *bio)
{
check_suspended:
	if (!(md_p2p_takes(mddev, bio) || mddev->pers->make_request(mddev, bio))) {
		percpu_ref_put(&mddev->active_io);
		goto check_suspended;
	}
	return true;
}
