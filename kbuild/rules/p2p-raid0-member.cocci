// SPDX-License-Identifier: GPL-2.0
// What: raid0 and linear ask about the member before they account for the bio, and say then which one it is.
// Why: a bio is direct if the one member that it goes to reaches its pages. Afterwards it holds active_io,
//      and could not wait for the array any more.
// Since: 7.2
// Matches: raid0.c 2, md-linear.c 1
// Fixture: 3
@early@
identifier array, bio;
position p;
@@
 raid0_map_submit_bio(struct mddev *array, struct bio *bio)
 {
	...
-	md_account_bio@p(array, &bio);
	...
 }

@late@
identifier member;
expression array;
position p;
@@
+if (md_p2p_takes_for(member, bio))
+	return;
+md_account_bio(array, &bio);
+md_p2p_io_to(bio, member);
 if (unlikely(is_rdev_broken@p(member))) {
	bio_io_error(bio);
	md_error(array, member);
	return;
 }

@linear@
identifier array, bio, member;
position p;
@@
 linear_make_request(struct mddev *array, struct bio *bio)
 {
	<+...
+	if (md_p2p_takes_for(member->rdev, bio))
+		return true;
	md_account_bio@p(array, &bio);
+	md_p2p_io_to(bio, member->rdev);
	bio_set_dev(bio, member->rdev->bdev);
	...+>
 }
