// SPDX-License-Identifier: GPL-2.0
// What: A write whose data MD copies for write-behind is counted as staged. If nothing may be staged, it is not
//   written behind.
// Why: Every member is then written from the copy in host memory. memcpy() may read uncached memory byte by byte.
// Since: 7.2
// Matches: raid1.c 2
// Fixture: 2
@behind@
identifier array, bio, r1_bio;
expression err;
position p;
@@
 raid1_start_write_behind(struct mddev *array, struct r1bio *r1_bio, struct bio *bio)
 {
	...
+	if (!md_p2p_may_copy(array, bio))
+		return;
	err = array->bitmap_ops->get_stats@p(...);
	...
 }

@copy@
identifier copy, r1_bio, bio;
position p;
@@
 static void alloc_behind_master_bio(struct r1bio *r1_bio, struct bio *bio)
 {
	...
-	bio_copy_data@p(copy, bio);
+	md_p2p_copy_data(copy, copy->bi_iter, bio, bio->bi_iter);
+	md_p2p_io_copied(bio);
	...
 }
