static int __init md_init(void)
{
	raid_table_header = register_sysctl(md_p2p_sysctl_path(), raid_table);
	return 0;
}
