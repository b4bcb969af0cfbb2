static int start_readonly;

static int __init md_init(void)
{
	md_p2p_settings(raid_table, ARRAY_SIZE(raid_table));
	return 0;
}

static __exit void md_exit(void)
{
	md_p2p_unregister_blkdev();
}
