static void sync_request_write(struct mddev *mddev, struct r10bio *r10_bio)
{
	struct r10conf *conf = mddev->private;
	int i, first;

	for (i=0; i<conf->copies; i++)
		if (!r10_bio->devs[i].bio->bi_status)
			break;

	if (i == conf->copies)
		goto done;

	first = i;
	for (i=0 ; i < conf->copies ; i++) {
		if (!r10_bio->devs[i].bio->bi_status) {
			if (j == vcnt)
				continue;
		}
	}
done:
	put_buf(r10_bio);
}
