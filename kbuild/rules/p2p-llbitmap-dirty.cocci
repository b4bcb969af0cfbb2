// SPDX-License-Identifier: GPL-2.0
// What: A resync must look at what somebody calls dirty in a lockless bitmap, except while a recovery runs. MD also
//   says how much a bit stands for when it makes a bitmap.
// Why: A resync skips what is merely dirty, because that is being written and needs a resync only after a restart.
//   But the glue calls a range dirty if members differ there, and so does a write to md/bitmap_set_bits. A recovery
//   would be told to do a resync in its midst. Without this rule MD says how much a bit stands for only if the bitmap
//   was there before.
// Since: 7.2
// Matches: md-llbitmap.c? 2
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
