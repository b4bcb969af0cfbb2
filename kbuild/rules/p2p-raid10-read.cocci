// SPDX-License-Identifier: GPL-2.0
// What: raid10 reads into peer pages as raid1 does.
// Why: See p2p-raid1-read.
// Since: 7.2
// Matches: raid10.c 5
// Fixture: 5
@choose@
attribute name __uninitialized;
identifier array, conf, bio;
expression r10_bio, max, rdev;
position p;
@@
 raid10_read_request(struct mddev *array, struct bio *bio, ...)
 {
	struct r10conf *conf = ...;
+	struct md_p2p_ring ring __uninitialized;
	<...
-	rdev = read_balance@p(conf, r10_bio, max);
+	r10_bio->p2p_ring = NULL;
+	md_p2p_first_ring(array, bio, &ring, &r10_bio->p2p_ring);
+	do {
+		rdev = read_balance(conf, r10_bio, max);
+	} while (!rdev && md_p2p_next_ring(array, bio, r10_bio->p2p_ring));
	...>
 }

@reshape@
expression conf, r10_bio, max, rdev;
position p;
@@
 reshape_request(...)
 {
	<...
+	r10_bio->p2p_ring = NULL;
	rdev = read_balance@p(conf, r10_bio, max);
	...>
 }

@stages@
expression max;
position p;
@@
 raid10_read_request(...)
 {
	<...
+	if (md_p2p_refuses(rdev, bio)) {
+		set_bit(R10BIO_Returned, &r10_bio->state);
+		goto err_handle;
+	}
	if (max < bio_sectors@p(bio)) { ... }
	...>
 }

@readable@
expression r10_bio;
position p;
@@
+if (!md_p2p_in_ring(rdev, &r10_bio->p2p_ring) && do_balance)
+	continue;
 dev_sector@p = r10_bio->devs[slot].addr;

@submits@
identifier read;
position p;
@@
 raid10_read_request(...)
 {
	<...
-	submit_bio_noacct@p(read);
+	md_p2p_submit(bio, rdev, read);
	...>
 }
