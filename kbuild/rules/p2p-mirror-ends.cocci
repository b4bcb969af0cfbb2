// SPDX-License-Identifier: GPL-2.0
// What: a mirror's part of a peer bio is counted for the member, and one that it could not map is remembered;
//       a read that is tried again in pieces is counted once.
// Why: MD takes BLK_STS_INVAL for no fault of the member's and calls the write done, though nothing was
//      written. No provider out of reach gets here; this is for the day that the answer was wrong.
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
+	md_p2p_member_ended(rdev, r1_bio->master_bio, bio, r1_bio->sectors);
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
+	md_p2p_member_ended(rdev, r10_bio->master_bio, bio, r10_bio->sectors);
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
+	md_p2p_member_ended(rdev, r1_bio->master_bio, bio, r1_bio->sectors);
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
+	md_p2p_member_ended(rdev, r10_bio->master_bio, bio, r10_bio->sectors);
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
