static void md_geninit(void)
{
	proc_create(md_p2p_mdstat_name(), S_IRUGO, NULL, &mdstat_proc_ops);
}

static __exit void md_exit(void)
{
	remove_proc_entry(md_p2p_mdstat_name(), NULL);
}
