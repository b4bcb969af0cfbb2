static void md_geninit(void)
{
	md_p2p_mdstat(&mdstat_proc_ops, &md_event_waiters);
}

static __exit void md_exit(void)
{
	md_p2p_unregister_blkdev();
}
