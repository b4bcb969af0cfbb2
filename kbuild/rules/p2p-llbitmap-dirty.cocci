// SPDX-License-Identifier: GPL-2.0
// What: what somebody calls dirty in a lockless bitmap is what a resync must look at, but not while a recovery runs.
// Why: a resync passes what is merely dirty: that is what is being written, and needs it only after a restart. But the
//      glue says it of members that differ, as does who writes to md/bitmap_set_bits. A recovery would be told to do a
//      resync in its midst.
// Since: 7.2
// Matches: md-llbitmap.c 1
// Fixture: 1
@dirty@
identifier array, from, to;
position p;
@@
 llbitmap_dirty_bits(struct mddev *array, unsigned long from, unsigned long to)
 {
	llbitmap_state_machine@p(array->bitmap, from, to, BitmapActionStartwrite);
+	if (!test_bit(MD_RECOVERY_RECOVER, &array->recovery))
+		llbitmap_state_machine(array->bitmap, from, to, BitmapActionStale);
 }
