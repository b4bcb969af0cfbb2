// SPDX-License-Identifier: GPL-2.0
// What: what somebody calls dirty in a lockless bitmap is what a resync must look at, but not while a recovery runs.
// Why: a resync passes what is merely dirty: that is what is being written, and needs it only after a restart. But the
//      glue says it of members that differ, as does who writes to md/bitmap_set_bits. A recovery would be told to do a
//      resync in its midst. What a bit stands for md tells only of a bitmap that was there before.
// Since: 7.2
// Matches: md-llbitmap.c 2
// Fixture: 2
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

@chunk@
identifier map, size;
position p;
@@
 llbitmap_init(...)
 {
	...
	map->chunksize@p = size;
+	mddev->bitmap_info.chunksize = size;
	...
 }
