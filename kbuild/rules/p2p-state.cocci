// SPDX-License-Identifier: GPL-2.0
// What: an array carries md-p2p's state of it, and an accounted bio how much of it is peer memory.
// Why: both must be found from MD's own structures without a look-up. md_p2p.h comes in here, after
//      the structures that its inline functions look into.
// Since: 7.2
// Matches: md.h 2
// Fixture: 2
@array@
position p;
@@
 struct mddev@p {
	void *private;
	struct md_personality *pers;
+	struct md_p2p_array *p2p;
	...
 };

@clone@
position p;
@@
 struct md_io_clone@p {
	...
+	unsigned int p2p_bytes;
+	bool p2p_direct;
	struct bio bio_clone;
 };
+
+#include "md_p2p.h"
