// SPDX-License-Identifier: GPL-2.0
// What: raid0 and linear refuse a bio for its member before they account for it. Otherwise they leave it to the glue
//   to submit the bio to that member: as it is, or through host pages.
// Why: A bio is direct if the one member that it goes to reaches its pages.
// Since: 7.2
// Matches: raid0.c 3, md-linear.c? 2
// Fixture: 5
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
+if (md_p2p_refuses(member, bio))
+	return;
+md_account_bio(array, &bio);
 if (unlikely(is_rdev_broken@p(member))) {
	bio_io_error(bio);
	md_error(array, member);
	return;
 }

@submit0@
identifier array, bio;
position p;
@@
 raid0_map_submit_bio(struct mddev *array, struct bio *bio)
 {
	<...
-	submit_bio_noacct@p(bio);
+	md_p2p_submit(bio, tmp_dev, bio);
	...>
 }

@linear@
identifier array, bio, member;
position p;
@@
 linear_make_request(struct mddev *array, struct bio *bio)
 {
	<+...
+	if (md_p2p_refuses(member->rdev, bio))
+		return true;
	md_account_bio@p(array, &bio);
	bio_set_dev(bio, member->rdev->bdev);
	...+>
 }

@submitlinear@
identifier array, bio;
position p;
@@
 linear_make_request(struct mddev *array, struct bio *bio)
 {
	<...
-	submit_bio_noacct@p(bio);
+	md_p2p_submit(bio, tmp_dev->rdev, bio);
	...>
 }
