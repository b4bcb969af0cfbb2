// SPDX-License-Identifier: GPL-2.0
// What: a recovery or a reshape is not taken for a resync that has become due since it was chosen, nor a resync for a recovery.
// Why: a thread that was made for a recovery would take the place where the resync begins for the one that it has come to, and
//      the member would come in sync without what is before; one for a reshape would not finish it. And where somebody has
//      asked for a recovery meanwhile, the place of a resync is an address of the array, and none of the member's.
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
