// SPDX-License-Identifier: GPL-2.0
// What: A read of raid4/5/6 goes straight to a member only if that member reaches its pages, and is then counted as
//   direct. A retry goes through the stripe cache and is counted as staged.
// Why: The stripe cache wants host pages. So what a read would do there is staged, or refused if the policy wants
//   nothing staged, before the cache sees it. A write was staged or refused when it came.
//   A bio that is split at chunks may outlive raid5's own pool, because a staged bio does not hold the array.
// Since: 7.2
// Matches: raid5.c 5
// Fixture: 5
@asks@
expression rdev, sector, bio;
position p;
@@
-rdev_has_badblock@p(rdev, sector, bio_sectors(bio))
+rdev_has_badblock(rdev, sector, bio_sectors(bio)) || md_p2p_must_stage(rdev, bio)

@splits@
identifier array;
expression bio, sectors, pool;
position p;
@@
 chunk_aligned_read(struct mddev *array, ...)
 {
	<+...
 bio_submit_split_bioset@p(bio, sectors,
-	pool
+	md_p2p_splits(array, bio, pool)
 )
	...+>
 }

@copies@
expression array, bio;
position p;
@@
+if (bio_data_dir(bio) == READ && md_p2p_takes_cached(array, bio))
+	return true;
 if (unlikely(bio_op(bio) == REQ_OP_DISCARD)) {
	make_discard_request@p(array, bio);
	md_write_end(array);
	return true;
 }

@direct@
expression array, bio, rdev;
position p;
@@
 md_account_bio@p(array, &bio);
+md_p2p_io_to(bio, rdev);
 bio->bi_next = (void *)rdev;

@retry@
identifier whole, conf;
position p;
@@
 raid5_align_endio(...)
 {
	<...
+	md_p2p_io_copied(whole);
	add_bio_to_retry@p(whole, conf);
	...>
 }
