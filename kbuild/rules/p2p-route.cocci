// SPDX-License-Identifier: GPL-2.0
// What: A peer bio passes the glue before its level sees it.
// Why: MD holds active_io here, so the members cannot change between the decision and their DMA. No member has been
//   touched, so refusing leaves nothing half written.
// Since: 7.2
// Matches: md.c 1
// Fixture: 1
@route@
expression array, bio;
position p;
@@
-!array->pers->make_request@p(array, bio)
+!(md_p2p_takes(array, bio) || array->pers->make_request(array, bio))
