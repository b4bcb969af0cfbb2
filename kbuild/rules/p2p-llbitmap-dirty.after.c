static void llbitmap_dirty_bits(struct mddev *mddev, unsigned long s,
				unsigned long e)
{
	llbitmap_state_machine(mddev->bitmap, s, e, BitmapActionStartwrite);
	llbitmap_state_machine(mddev->bitmap, s, e, BitmapActionStale);
}

static void llbitmap_start(struct mddev *mddev, unsigned long s, unsigned long e)
{
	llbitmap_state_machine(mddev->bitmap, s, e, BitmapActionStartwrite);
}
