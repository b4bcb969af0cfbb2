static __poll_t mdstat_poll(struct file *filp, poll_table *wait)
{
	__poll_t mask;

	if (md_unloading)
		return EPOLLIN|EPOLLRDNORM|EPOLLERR|EPOLLPRI;
	poll_wait(filp, &md_event_waiters, wait);
	mask = EPOLLIN | EPOLLRDNORM;
	return mask | md_p2p_mdstat_goes();
}

static void md_geninit(void)
{
	md_p2p_mdstat(&mdstat_proc_ops, &md_event_waiters);
}

static __exit void md_exit(void)
{
	md_p2p_unregister_blkdev();
}
