// SPDX-License-Identifier: GPL-2.0
// What: An array carries md-p2p's state, and the sector from which on it is due to be resynced. A member carries its
//   place in that state. An accounted bio says how much of it is peer memory, and what becomes of it.
// Why: All of this must be found from MD's own structures without a look-up. md_p2p.h is included here, after the
//   structures that its inline functions look into.
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
+	sector_t p2p_due;
+	sector_t p2p_due_end;
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
+	bool p2p_direct;
+	bool p2p_cached;
+	bool p2p_refused;
+	bool p2p_lost;
+	bool p2p_due;
+	bool p2p_settled;
+	unsigned int p2p_bytes;
+	atomic_t p2p_by_engine;
+	unsigned int p2p_slot;
+	unsigned int p2p_offset;
+	unsigned int p2p_sectors;
+	struct md_rdev *p2p_rdev;
+	sector_t p2p_to;
+	struct bio_list p2p_parts;
+	struct list_head p2p_node;
	struct bio bio_clone;
 };
+
+#include "md_p2p.h"
