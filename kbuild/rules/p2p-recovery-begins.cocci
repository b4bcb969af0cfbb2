// SPDX-License-Identifier: GPL-2.0
// What: A recovery that is interrupted before it has done anything has recovered nothing.
// Why: Without this rule, MD takes the number that means "active" for a sector. The next recovery begins at sector 3,
//   and the member comes in sync without three sectors. Seen with the kernel's md too, when a replacement waited at
//   sync_max and the member that it replaced failed.
// Since: 7.2
// Matches: md.c 0|1
// Fixture: 1
@begun@
expression array;
position p;
statement does;
@@
 if (!test_bit(MD_RECOVERY_RESHAPE, &array->recovery) &&
-    array->curr_resync@p >= MD_RESYNC_ACTIVE)
+    array->curr_resync > MD_RESYNC_ACTIVE)
	does
