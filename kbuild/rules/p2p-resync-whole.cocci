// SPDX-License-Identifier: GPL-2.0
// What: A resync does not end the recovery of a member. The recovery follows, and goes on where it was.
// Why: MD takes all mirrors for whole after a resync. But the resync may have begun behind what a member lacks, have
//   skipped what a lockless bitmap calls clean, and have found no copy to read. A recovery marks such places as bad.
// Since: 7.2
// Matches: raid1.c 1, raid10.c 2
// Fixture: 3
@whole@
identifier request = {raid1_sync_request, raid10_sync_request};
symbol conf;
identifier array;
position p;
@@
 request(struct mddev *array, ...)
 {
	<...
-	conf->fullsync@p = 0;
+	if (!md_p2p_recovery_follows(array))
+		conf->fullsync = 0;
	...>
 }

@replaced@
symbol mddev;
identifier rdev;
position p;
@@
	if (
-	    rdev
+	    rdev && !md_p2p_recovery_follows(mddev)
	   )
		rdev->recovery_offset@p = MaxSector;
