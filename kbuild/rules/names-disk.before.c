struct mddev *md_alloc(dev_t dev, char *name)
{
	struct mddev *mddev;
	struct gendisk *disk;
	int error;

	disk = blk_alloc_disk(NULL, NUMA_NO_NODE);
	if (IS_ERR(disk))
		return ERR_CAST(disk);
	error = add_disk(disk);
	if (error)
		goto out_put_disk;
	return mddev;

out_put_disk:
	put_disk(disk);
	return ERR_PTR(error);
}
