static void sync_request_write(struct mddev *mddev, struct r10bio *r10_bio)
{
	struct r10conf *conf = mddev->private;
	int i, first;

	for (i=0; i<conf->copies; i++)
		if (!r10_bio->devs[i].bio->bi_status && !md_p2p_lacks(conf->mirrors[r10_bio->devs[i].devnum].rdev, r10_bio->devs[i].addr, r10_bio->sectors))
			break;

	if (i == conf->copies) {
		for(i = 0;i < conf->copies;i++)
			if (r10_bio->devs[i].repl_bio && r10_bio->devs[i].repl_bio->bi_end_io)
				rdev_dec_pending(conf->mirrors[r10_bio->devs[i].devnum].replacement,
						 mddev);
		goto done;
	}

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

static void super_1_sync(struct mddev *mddev, struct md_rdev *rdev)
{
	rdev_for_each(rdev2, mddev) {
		i = rdev2->desc_nr;
		if (test_bit(Faulty, &rdev2->flags))
			sb->dev_roles[i] = cpu_to_le16(MD_DISK_ROLE_FAULTY);
		else if (test_bit(In_sync, &rdev2->flags))
			sb->dev_roles[i] = cpu_to_le16(rdev2->raid_disk);
		else if (rdev2->raid_disk >= 0 && !md_p2p_is_told_spare(sb, rdev2))
			sb->dev_roles[i] = cpu_to_le16(rdev2->raid_disk);
		else
			sb->dev_roles[i] = cpu_to_le16(MD_DISK_ROLE_SPARE);
	}
}
