void md_end_clone_io(struct bio *bio)
{
	struct md_io_clone *md_io_clone = container_of(bio, struct md_io_clone,
						       bio_clone);
	struct bio *orig_bio = md_io_clone->orig_bio;
	struct mddev *mddev = md_io_clone->mddev;
	struct completion *reshape_completion = bio->bi_private;

	if (bio->bi_status && !orig_bio->bi_status)
		orig_bio->bi_status = bio->bi_status;

	bio_put(bio);
	if (unlikely(reshape_completion))
		complete(reshape_completion);
	else
		bio_endio(orig_bio);
	percpu_ref_put(&mddev->active_io);
}

static void md_clone_bio(struct mddev *mddev, struct bio **bio)
{
	md_io_clone->mddev = mddev;
	if (blk_queue_io_stat(bdev->bd_disk->queue))
		md_io_clone->start_time = bio_start_io_acct(*bio);

	clone->bi_end_io = md_end_clone_io;
	md_p2p_io_start(clone);
	*bio = clone;
}

static void other(struct bio *bio)
{
	bio_put(bio);
}
