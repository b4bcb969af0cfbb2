// SPDX-License-Identifier: GPL-2.0
// What: a write whose data MD copies for write-behind is counted as staged.
// Why: every member is then written from the copy in host memory.
// Since: 7.2
// Matches: raid1.c 1
// Fixture: 1
@copy@
identifier copy, r1_bio, bio;
position p;
@@
 static void alloc_behind_master_bio(struct r1bio *r1_bio, struct bio *bio)
 {
	...
	bio_copy_data@p(copy, bio);
+	md_p2p_io_copied(bio);
	...
 }
