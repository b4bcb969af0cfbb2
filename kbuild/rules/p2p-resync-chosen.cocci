// SPDX-License-Identifier: GPL-2.0
// What: A recovery or a reshape is not taken for a resync that has become due since it was chosen, nor a resync for a
//   recovery.
// Why: A thread that was made for a recovery would believe that it has reached the sector at which the resync begins.
//   The member would come in sync without the data before that sector. A thread for a reshape would not finish it. If
//   somebody has requested a recovery meanwhile, the position of a resync is an address of the array, not of the
//   member.
// Since: 7.2
// Matches: md.c 2
// Fixture: 2
@chosen@
expression array, action;
position p;
@@
 md_do_sync(...)
 {
	<...
-	action = md_sync_action@p(array);
+	action = md_p2p_chosen_action(array);
	...>
 }

@checkpoint@
expression array;
position p;
@@
 md_update_sb(...)
 {
	<...
-	test_bit@p(MD_RECOVERY_RECOVER, &array->recovery)
+	md_p2p_recovers(array)
	...>
 }
