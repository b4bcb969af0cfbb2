// SPDX-License-Identifier: GPL-2.0
// What: block major 9 becomes a variable, and the two registrations of a major become calls
// Why: if the kernel's md holds major 9, ours takes a dynamic one: decided when the module is loaded
// Since: 7.2
// Matches: md.c 12
// Fixture: 7

@registration@
expression probe;
position p;
@@
-__register_blkdev@p(MD_MAJOR, "md", probe)
+md_p2p_register_blkdev(probe)

@release@
position p;
@@
-unregister_blkdev@p(MD_MAJOR, "md")
+md_p2p_unregister_blkdev()

@partitioned@
identifier f = {__register_blkdev, unregister_blkdev};
position p;
@@
 f(...,
-"mdp"@p
+md_p2p_mdp_name()
 , ...)

@major@
position p;
@@
-MD_MAJOR@p
+md_p2p_major
