static void llbitmap_dirty_bits(struct mddev *mddev, unsigned long s,
				unsigned long e)
{
	llbitmap_state_machine(mddev->bitmap, s, e, BitmapActionStartwrite);
	if (!test_bit(MD_RECOVERY_RECOVER, &mddev->recovery))
		llbitmap_state_machine(mddev->bitmap, s, e, BitmapActionStale);
}

static void llbitmap_start(struct mddev *mddev, unsigned long s, unsigned long e)
{
	llbitmap_state_machine(mddev->bitmap, s, e, BitmapActionStartwrite);
}

static int llbitmap_init(struct llbitmap *llbitmap)
{
	struct mddev *mddev = llbitmap->mddev;

	llbitmap->chunkshift = ffz(~chunksize);
	llbitmap->chunksize = chunksize;
	mddev->bitmap_info.chunksize = chunksize;
	llbitmap->chunks = chunks;
	return 0;
}

static int llbitmap_read_sb(struct llbitmap *llbitmap)
{
	mddev->bitmap_info.chunksize = chunksize;
	llbitmap->chunksize = chunksize;
	return 0;
}
