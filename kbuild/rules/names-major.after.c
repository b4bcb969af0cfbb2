static dev_t mddev_alloc_unit(int next_minor)
{
	return MKDEV(md_p2p_major, next_minor);
}

static void md_probe(dev_t dev)
{
	if (MAJOR(dev) == md_p2p_major && MINOR(dev) >= 512)
		return;
	if (create_on_open)
		md_alloc_and_put(dev, NULL);
}

static int __init md_init(void)
{
	int ret;

	ret = md_p2p_register_blkdev(md_probe);
	if (ret < 0)
		goto err_md;

	ret = __register_blkdev(0, "mdp-p2p", md_probe);
	if (ret < 0)
		goto err_mdp;
	mdp_major = ret;
	ver.major = MD_MAJOR_VERSION;
	return 0;

err_mdp:
	md_p2p_unregister_blkdev();
err_md:
	return ret;
}

static __exit void md_exit(void)
{
	md_p2p_unregister_blkdev();
	unregister_blkdev(mdp_major, "mdp-p2p");
}
