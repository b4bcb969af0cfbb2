// SPDX-License-Identifier: GPL-2.0
// What: A resync that is due because a provider took its write with it is done, whatever MD was doing meanwhile.
//   Until then resync_offset says so, and raid1 does not read there from a member that is being recovered.
// Why: Some members have the data and others have not. MD's own resyncs never become due while something runs: what
//   runs sets resync_offset to its own position, also when it ends, although it may have passed that place before.
// Since: 7.2
// Matches: md.c 4, raid1.c 1
// Fixture: 5
@choose@
identifier array;
position p;
@@
 md_choose_sync_action(struct mddev *array, ...)
 {
	...
+	md_p2p_resync_due(array);
	if (array->resync_offset@p < MaxSector) { ... }
	...
 }

@passed@
expression array, j;
position p;
@@
 if (test_bit(MD_RECOVERY_SYNC, &array->recovery) && j > array->resync_offset)
-	array->resync_offset@p = j;
+{
+	array->resync_offset = j;
+	md_p2p_resync_passed(array);
+}

@finished@
expression array, action;
position p;
@@
 md_finish_sync@p(array, action);
+md_p2p_resync_passed(array);

@stopped@
identifier array;
position p;
@@
 md_clean(struct mddev *array)
 {
	...
	array->resync_offset@p = 0;
+	md_p2p_resync_forgotten(array);
	...
 }

@first@
identifier rdev;
position p;
@@
 choose_first_rdev(...)
 {
	<...
	if (!rdev || test_bit(Faulty@p, &rdev->flags))
		continue;
+	if (md_p2p_lacks(rdev, r1_bio->sector, r1_bio->sectors))
+		continue;
	...>
 }
