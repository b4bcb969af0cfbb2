// SPDX-License-Identifier: GPL-2.0
// What: A peer bio keeps REQ_NOMERGE on its way to the members.
// Why: Only this flag keeps a member's queue from merging the peer bio with a host bio. The merged request would be
//   mapped as its first bio needs.
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
