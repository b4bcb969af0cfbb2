// SPDX-License-Identifier: GPL-2.0
// What: a peer bio keeps REQ_NOMERGE on its way to the members.
// Why: the flag is all that keeps a member's queue from merging it with a host bio, and the request is
//      then mapped as its first bio is.
// Since: 7.2
// Matches: md.c 1, raid1.c 1, raid10.c 1
// Fixture: 2
@keep@
expression bio;
position p;
@@
-bio->bi_opf@p &= ~REQ_NOMERGE;
+md_p2p_allow_merge(bio);

@pieces@
identifier wbio;
position p;
@@
 narrow_write_error(...)
 {
	<...
	wbio->bi_opf =
-	REQ_OP_WRITE@p
+	REQ_OP_WRITE | REQ_NOMERGE
	;
	...>
 }
