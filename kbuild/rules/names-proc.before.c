static void md_geninit(void)
{
	proc_create("mdstat", S_IRUGO, NULL, &mdstat_proc_ops);
}

static __exit void md_exit(void)
{
	md_p2p_unregister_blkdev();
	remove_proc_entry("mdstat", NULL);
}
