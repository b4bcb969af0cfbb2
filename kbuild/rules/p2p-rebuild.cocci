// SPDX-License-Identifier: GPL-2.0
// What: The data of a resync or recovery of a mirror may pass through peer pages. A buffer carries its loan of them. (An
//   application's read, which has no loan, carries a ring of members in its place: see p2p-raid1-read.) Stand-ins are
//   submitted in place of MD's bios, and MD sees its own bios end. A member is not blamed for data that were lost on
//   their way to it: it just lacks them, as after a failed read. (A replacement of raid10 is failed all the same,
//   because raid10 records no bad blocks of replacements.) The counters count what was written; for raid4/5/6, what is
//   in sync.
// Why: MD's buffers keep their host pages, for when the CPU looks at the data and for all that goes wrong with peer
//   pages. Nothing is lent when members are compared (check, repair, raid10's resync).
// Since: 7.2
// Matches: raid1.h 1, raid10.h 1, raid1.c 6, raid10.c 7, raid5.c 1
// Fixture: 14
@carries1@
position p;
@@
 struct r1bio@p {
	atomic_t remaining;
+	union {
+		struct md_p2p_loan *p2p_loan;
+		struct md_p2p_ring *p2p_ring;
+	};
	...
 };

@carries10@
position p;
@@
 struct r10bio@p {
	atomic_t remaining;
+	union {
+		struct md_p2p_loan *p2p_loan;
+		struct md_p2p_ring *p2p_ring;
+	};
	...
 };

@starts@
identifier buffs;
position p;
@@
 init_resync(...)
 {
	...
+	md_p2p_rebuild_starts(conf->mddev);
	buffs = RESYNC_WINDOW@p / RESYNC_BLOCK_SIZE;
	...
 }

@ends@
expression buffer, pool;
position p;
@@
 put_buf(...)
 {
	...
+	md_p2p_rebuild_put(&buffer->p2p_loan);
	mempool_free@p(buffer, pool);
	...
 }

@read1@
identifier bio;
position p;
@@
 bio = r1_bio->bios[r1_bio->read_disk];
 if (read_targets == 1)
	bio->bi_opf &= ~MD_FAILFAST;
-submit_bio_noacct@p(bio);
+md_p2p_rebuild_read(&r1_bio->p2p_loan, mddev, bio, r1_bio->bios,
+		    conf->raid_disks * 2);

@read10@
identifier bio;
position p;
@@
 raid10_sync_request(...)
 {
	<...
	bio->bi_status = 0;
-	submit_bio_noacct@p(bio);
+	if (test_bit(R10BIO_IsRecover, &r10_bio->state)) {
+		struct bio *written[] = {
+			r10_bio->devs[1].bio, r10_bio->devs[1].repl_bio
+		};
+
+		md_p2p_rebuild_read(&r10_bio->p2p_loan, mddev, bio, written,
+				    ARRAY_SIZE(written));
+	} else {
+		submit_bio_noacct(bio);
+	}
	...>
 }

@write1@
identifier wbio;
position p;
@@
 wbio->bi_end_io = end_sync_write;
 atomic_inc(&r1_bio->remaining);
-submit_bio_noacct@p(wbio);
+md_p2p_rebuild_write(r1_bio->p2p_loan, wbio);

@write10@
identifier wbio;
position p;
@@
 recovery_request_write(...)
 {
	<...
-	submit_bio_noacct@p(wbio);
+	md_p2p_rebuild_write(r10_bio->p2p_loan, wbio);
	...>
 }

@lost1@
identifier bio;
position p;
@@
 end_sync_write(struct bio *bio)
 {
	<...
	abort_sync_write@p(mddev, r1_bio);
-	set_bit(WriteErrorSeen, &rdev->flags);
-	if (!test_and_set_bit(WantReplacement, &rdev->flags))
-		set_bit(MD_RECOVERY_NEEDED, &mddev->recovery);
+	if (!md_p2p_rebuild_lost(r1_bio->p2p_loan, bio)) {
+		set_bit(WriteErrorSeen, &rdev->flags);
+		if (!test_and_set_bit(WantReplacement, &rdev->flags))
+			set_bit(MD_RECOVERY_NEEDED, &mddev->recovery);
+	}
	...>
 }

@lost10@
identifier bio, repl;
position p;
@@
 end_sync_write(struct bio *bio)
 {
	<...
	if (repl)
		md_error@p(mddev, rdev);
	else {
-		set_bit(WriteErrorSeen, &rdev->flags);
-		if (!test_and_set_bit(WantReplacement, &rdev->flags))
-			set_bit(MD_RECOVERY_NEEDED, &rdev->mddev->recovery);
+		if (!md_p2p_rebuild_lost(r10_bio->p2p_loan, bio)) {
+			set_bit(WriteErrorSeen, &rdev->flags);
+			if (!test_and_set_bit(WantReplacement, &rdev->flags))
+				set_bit(MD_RECOVERY_NEEDED,
+					&rdev->mddev->recovery);
+		}
		set_bit(R10BIO_WriteError, &r10_bio->state);
	}
	...>
 }

@wrote1@
identifier bio;
position p;
@@
 end_sync_write(struct bio *bio)
 {
	<...
+	md_p2p_rebuild_wrote(mddev, r1_bio->p2p_loan, bio, r1_bio->sectors);
	put_sync_write_buf@p(r1_bio);
	...>
 }

@wrote10@
identifier bio;
position p;
@@
 end_sync_write(struct bio *bio)
 {
	<...
+	md_p2p_rebuild_wrote(mddev, r10_bio->p2p_loan, bio, r10_bio->sectors);
	rdev_dec_pending@p(rdev, mddev);
	...>
 }

@stripe@
expression array, sectors;
position p;
@@
+md_p2p_rebuilt(array, sectors);
 md_done_sync@p(array, sectors);
 clear_bit(STRIPE_SYNCING, &sh->state);
