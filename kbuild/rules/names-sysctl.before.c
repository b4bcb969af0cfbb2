static int start_readonly;
static struct ctl_table_header *raid_table_header;

static int __init md_init(void)
{
	raid_table_header = register_sysctl("dev/raid", raid_table);
	return 0;
}

static __exit void md_exit(void)
{
	md_p2p_unregister_blkdev();
	unregister_sysctl_table(raid_table_header);
}
