// SPDX-License-Identifier: GPL-2.0
// What: a read of raid4/5/6 goes straight to a member only if all members reach its pages, and is then
//       counted as direct; a retry goes through the stripe cache and is counted as staged.
// Why: the stripe cache copies with the CPU, which is right for any page.
// Since: 7.2
// Matches: raid5.c 3
// Fixture: 3
@asks@
expression array, bio;
position p;
@@
-!in_chunk_boundary@p(array, bio)
+!in_chunk_boundary(array, bio) || md_p2p_must_stage(array, bio)

@direct@
expression array, bio, rdev;
position p;
@@
 md_account_bio@p(array, &bio);
+md_p2p_io_goes(bio, true);
 bio->bi_next = (void *)rdev;

@retry@
identifier whole, conf;
position p;
@@
 raid5_align_endio(...)
 {
	<...
+	md_p2p_io_goes(whole, false);
	add_bio_to_retry@p(whole, conf);
	...>
 }
