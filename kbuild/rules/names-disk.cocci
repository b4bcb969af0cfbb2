// SPDX-License-Identifier: GPL-2.0
// What: the disk of an array is added by a call
// Why: it is refused if there is one of that name, which the kernel's md may have: add_disk() would say so with a splat
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
