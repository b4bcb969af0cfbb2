// SPDX-License-Identifier: GPL-2.0
// What: raid1 reads into peer pages from the nearest member that reaches them. If MD chooses a member that does not
//   reach them, its part goes through host pages.
// Why: MD's own balance is asked about the nearest members first, then about those farther away, then about all. A
//   resync that makes MD read from the first member takes precedence.
// Since: 7.2
// Matches: raid1.c 6
// Fixture: 6
@choose@
attribute name __uninitialized;
identifier array, conf, bio;
expression r1_bio, max, disk;
position p;
@@
 raid1_read_request(struct mddev *array, struct bio *bio, ...)
 {
	struct r1conf *conf = ...;
+	struct md_p2p_ring ring __uninitialized;
	<...
-	disk = read_balance@p(conf, r1_bio, max);
+	md_p2p_first_ring(array, bio, &ring, &r1_bio->p2p_ring);
+	do {
+		disk = read_balance(conf, r1_bio, max);
+	} while (disk < 0 && md_p2p_next_ring(array, bio, r1_bio->p2p_ring));
	...>
 }

@stages@
expression max;
position p;
@@
 raid1_read_request(...)
 {
	<...
+	if (md_p2p_refuses(mirror->rdev, bio)) {
+		set_bit(R1BIO_Returned, &r1_bio->state);
+		goto err_handle;
+	}
	if (max < bio_sectors@p(bio)) { ... }
	...>
 }

@readable@
identifier rdev, r1_bio;
position p;
@@
 rdev_readable@p(struct md_rdev *rdev, struct r1bio *r1_bio)
 {
	if (!rdev || test_bit(Faulty, &rdev->flags))
		return false;
+	if (!md_p2p_in_ring(rdev, &r1_bio->p2p_ring))
+		return false;
	...
 }

@partly@
expression conf, disk;
identifier rdev;
position p;
@@
 choose_bb_rdev(...)
 {
	<...
	rdev@p = conf->mirrors[disk].rdev;
+	if (rdev && !md_p2p_in_ring(rdev, &r1_bio->p2p_ring))
+		continue;
	...>
 }

@slow@
expression conf, disk;
identifier rdev;
position p;
@@
 choose_slow_rdev(...)
 {
	<...
	rdev@p = conf->mirrors[disk].rdev;
+	if (rdev && !md_p2p_in_slow_ring(rdev, &r1_bio->p2p_ring))
+		continue;
	...>
 }

@submits@
identifier read;
position p;
@@
 raid1_read_request(...)
 {
	<...
-	submit_bio_noacct@p(read);
+	md_p2p_submit(bio, mirror->rdev, read);
	...>
 }
