// SPDX-License-Identifier: GPL-2.0
// What: If a mirror's part of a peer bio fails, it is repeated through host memory before MD sees its end. No member
//   is blamed for data that were lost with their provider, or that it could not map when nothing may be staged: not
//   by FailFast, nor by raid10, which then keeps no record of an ignored error.
// Why: The path between two devices may fail although the member does not. When NVMe cannot map a page it answers
//   BLK_STS_INVAL. MD does not blame the member for that, and calls the write done, though nothing was written.
//   raid10 takes each error in devs[].bio for a write error if another copy makes a bad block good.
// Since: 7.2
// Matches: raid1.c 2, raid10.c 4
// Fixture: 6
@write1@
identifier bio;
statement failed, done;
position p;
@@
 raid1_end_write_request(struct bio *bio)
 {
	<...
+	if (md_p2p_was_peer(bio))
+		switch (md_p2p_member_ended(rdev, r1_bio->master_bio, bio,
+					    r1_bio->sector, r1_bio->sector + rdev->data_offset,
+					    r1_bio->sectors)) {
+		case MD_P2P_AGAIN:
+			return;
+		case MD_P2P_EXCUSED:
+			ignore_error = true;
+			break;
+		case MD_P2P_ENDED:
+			break;
+		}
	if (bio->bi_status@p && !ignore_error)
		failed
	else
		done
	...>
 }

@write10@
identifier bio;
statement failed, done;
position p;
@@
 raid10_end_write_request(struct bio *bio)
 {
	<...
+	if (md_p2p_was_peer(bio))
+		switch (md_p2p_member_ended(rdev, r10_bio->master_bio, bio,
+					    r10_bio->sector, r10_bio->devs[slot].addr +
+					    choose_data_offset(r10_bio, rdev),
+					    r10_bio->sectors)) {
+		case MD_P2P_AGAIN:
+			return;
+		case MD_P2P_EXCUSED:
+			ignore_error = true;
+			break;
+		case MD_P2P_ENDED:
+			break;
+		}
	if (bio->bi_status@p && !ignore_error)
		failed
	else
		done
	...>
 }

@ignored10@
identifier bio;
position p;
@@
 raid10_end_write_request(struct bio *bio)
 {
	<...
+	if (ignore_error)
+		bio->bi_status = BLK_STS_OK;
	one_write_done@p(r10_bio);
	...>
 }

@declares@
identifier bio;
position p;
@@
+static sector_t choose_data_offset(struct r10bio *r10_bio, struct md_rdev *rdev);
+
 static void raid10_end_read_request@p(struct bio *bio)
 {
	...
 }

@read1@
identifier bio;
position p;
@@
 raid1_end_read_request(struct bio *bio)
 {
	<...
	update_head_pos@p(...);
+	if (md_p2p_was_peer(bio))
+		switch (md_p2p_member_ended(rdev, r1_bio->master_bio, bio,
+					    r1_bio->sector, r1_bio->sector + rdev->data_offset,
+					    r1_bio->sectors)) {
+		case MD_P2P_AGAIN:
+			return;
+		case MD_P2P_EXCUSED:
+			bio->bi_status = BLK_STS_INVAL;
+			clear_bit(R1BIO_FailFast, &r1_bio->state);
+			break;
+		case MD_P2P_ENDED:
+			break;
+		}
	...>
 }

@read10@
identifier bio;
position p;
@@
 raid10_end_read_request(struct bio *bio)
 {
	<...
	update_head_pos@p(...);
+	if (md_p2p_was_peer(bio))
+		switch (md_p2p_member_ended(rdev, r10_bio->master_bio, bio,
+					    r10_bio->sector, r10_bio->devs[slot].addr +
+					    choose_data_offset(r10_bio, rdev),
+					    r10_bio->sectors)) {
+		case MD_P2P_AGAIN:
+			return;
+		case MD_P2P_EXCUSED:
+			bio->bi_status = BLK_STS_INVAL;
+			break;
+		case MD_P2P_ENDED:
+			break;
+		}
	...>
 }
