static dev_t mddev_alloc_unit(int next_minor)
{
	return MKDEV(MD_MAJOR, next_minor);
}

static void md_probe(dev_t dev)
{
	if (MAJOR(dev) == MD_MAJOR && MINOR(dev) >= 512)
		return;
	if (create_on_open)
		md_alloc_and_put(dev, NULL);
}

static int __init md_init(void)
{
	int ret;

	ret = __register_blkdev(MD_MAJOR, "md", md_probe);
	if (ret < 0)
		goto err_md;

	ret = __register_blkdev(0, "mdp", md_probe);
	if (ret < 0)
		goto err_mdp;
	mdp_major = ret;
	ver.major = MD_MAJOR_VERSION;
	return 0;

err_mdp:
	unregister_blkdev(MD_MAJOR, "md");
err_md:
	return ret;
}

static __exit void md_exit(void)
{
	unregister_blkdev(MD_MAJOR,"md");
	unregister_blkdev(mdp_major, "mdp");
}
