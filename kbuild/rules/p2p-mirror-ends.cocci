// SPDX-License-Identifier: GPL-2.0
// What: a mirror's part of a peer bio is counted for the member, and no member is blamed for one that failed: it is
//       done again through host memory. A read that is tried again in pieces is counted once.
// Why: the way between two devices may fail where the member does not. MD takes BLK_STS_INVAL, as NVMe says when it
//      cannot map a page, for no fault of the member's, and calls the write done, though nothing was written.
// Since: 7.2
// Matches: raid1.c 3, raid10.c 3
// Fixture: 6
@write1@
identifier bio, mirror;
expression conf;
statement failed, done;
position p;
@@
 raid1_end_write_request(struct bio *bio)
 {
	<...
+	if (md_p2p_member_ended(rdev, r1_bio->master_bio, bio, r1_bio->sectors))
+		ignore_error = true;
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
+	if (md_p2p_member_ended(rdev, r10_bio->master_bio, bio, r10_bio->sectors))
+		ignore_error = true;
	if (bio->bi_status@p && !ignore_error)
		failed
	else
		done
	...>
 }

@read1@
identifier bio;
position p;
@@
 raid1_end_read_request(struct bio *bio)
 {
	<...
	update_head_pos@p(...);
+	if (md_p2p_member_ended(rdev, r1_bio->master_bio, bio, r1_bio->sectors))
+		bio->bi_status = BLK_STS_INVAL;
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
+	if (md_p2p_member_ended(rdev, r10_bio->master_bio, bio, r10_bio->sectors))
+		bio->bi_status = BLK_STS_INVAL;
	...>
 }

@retry@
expression array;
identifier bio;
position p;
@@
 if (likely(!md_cloned_bio(array, bio))) {
	md_account_bio@p(array, &bio);
+	if (err_path)
+		md_p2p_io_uncounted(bio);
	...
 }
