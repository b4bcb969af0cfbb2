// SPDX-License-Identifier: GPL-2.0
// What: An array's disk is added by a call.
// Why: The kernel's md may already have a disk of that name. The call then refuses quietly, while add_disk() would
//   complain with a splat.
// Since: 7.2
// Matches: md.c 1
// Fixture: 1

@add@
identifier error, disk;
position p;
@@
 struct mddev *md_alloc(...)
 {
	<...
-	error = add_disk@p(disk);
+	error = md_p2p_add_disk(disk);
	...>
 }
