static int __init md_init(void)
{
	raid_table_header = register_sysctl("dev/raid", raid_table);
	return 0;
}
