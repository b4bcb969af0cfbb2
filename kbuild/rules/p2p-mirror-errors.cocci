// SPDX-License-Identifier: GPL-2.0
// What: a write that a mirror could not map ends in an error, and a read that is tried again in pieces is
//       counted once.
// Why: MD takes BLK_STS_INVAL for no fault of the member's and calls the write done, though nothing was
//      written. No provider out of reach gets here; this is for the day that the answer was wrong. Behind
//      a write that has ended already there is a copy in host memory, and no bio to tell.
// Since: 7.2
// Matches: raid1.c 2, raid10.c 2
// Fixture: 4
@raid1@
identifier bio;
statement failed, done;
position p;
@@
 raid1_end_write_request(struct bio *bio)
 {
	<...
+	if (!behind)
+		md_p2p_write_ended(r1_bio->master_bio, bio);
	if (bio->bi_status@p && !ignore_error)
		failed
	else
		done
	...>
 }

@raid10@
identifier bio;
statement failed, done;
position p;
@@
 raid10_end_write_request(struct bio *bio)
 {
	<...
+	md_p2p_write_ended(r10_bio->master_bio, bio);
	if (bio->bi_status@p && !ignore_error)
		failed
	else
		done
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
