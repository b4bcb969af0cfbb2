// SPDX-License-Identifier: GPL-2.0
// What: Block major 9 becomes a variable, and its registration becomes a call; mdp gets another name.
// Why: Major 9 belongs to the kernel's md. Ours takes a dynamic major, which is found when the module is loaded.
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
+"mdp-p2p"
 , ...)

@major@
position p;
@@
-MD_MAJOR@p
+md_p2p_major
