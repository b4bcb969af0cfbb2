static int f(void)
{
	raid5_wq = alloc_workqueue("p2p_raid5wq",
				   WQ_UNBOUND|WQ_MEM_RECLAIM|WQ_SYSFS, 0);
	md_misc_wq = alloc_workqueue("p2p_md_misc", WQ_PERCPU, 0);
	return raid5_wq && md_misc_wq;
}
