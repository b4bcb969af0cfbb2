// SPDX-License-Identifier: GPL-2.0
// What: A peer bio is counted where MD accounts for it. Its clone ends in the glue, which then has it end in MD: not
//   while a part of it is repeated, or while MD has yet to be told that the members may differ there.
// Why: MD has split the bio by then, and knows at the end whether it succeeded. Until then the bitmap and active_io
//   stay held, because the members must be compared after a power failure.
// Since: 7.2
// Matches: md.c 2
// Fixture: 2
@start@
identifier io, clone;
expression array;
position p;
@@
 io->mddev = array;
 ...
 clone->bi_end_io@p = md_end_clone_io;
+md_p2p_io_start(clone);

@end@
identifier bio;
position p;
@@
-static
 void md_end_clone_io@p(struct bio *bio)
 {
	...
 }
