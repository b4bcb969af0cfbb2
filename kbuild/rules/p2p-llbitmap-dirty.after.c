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
