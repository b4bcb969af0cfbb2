// SPDX-License-Identifier: GPL-2.0
// What: a resync that is due since a provider has gone with what it wrote is done, whatever MD was doing meanwhile.
// Why: some members have the data and others have not. A resync that runs when this happens sets resync_offset when it
//      ends, although it may have passed that place before.
// Since: 7.2
// Matches: md.c 2
// Fixture: 2
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

@finished@
expression array, action;
position p;
@@
 md_finish_sync@p(array, action);
+md_p2p_resync_due(array);
