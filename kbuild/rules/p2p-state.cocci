// SPDX-License-Identifier: GPL-2.0
// What: an array carries md-p2p's state of it, a member its place in that, and an accounted bio how much of it is
//       peer memory and what becomes of it.
// Why: both must be found from MD's own structures without a look-up. md_p2p.h comes in here, after
//      the structures that its inline functions look into.
// Since: 7.2
// Matches: md.h 3
// Fixture: 3
@array@
position p;
@@
 struct mddev@p {
	void *private;
	struct md_personality *pers;
+	struct md_p2p_array *p2p;
	...
 };

@member@
position p;
@@
 struct md_rdev@p {
	struct list_head same_set;
+	unsigned int p2p_slot;
	...
 };

@clone@
position p;
@@
 struct md_io_clone@p {
	...
+	unsigned int p2p_bytes;
+	unsigned int p2p_slot;
+	bool p2p_peer;
+	bool p2p_direct;
+	bool p2p_failed;
	struct bio bio_clone;
 };
+
+#include "md_p2p.h"
