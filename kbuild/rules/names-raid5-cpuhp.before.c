static struct workqueue_struct *raid5_wq;

static void raid5_free_percpu(struct r5conf *conf)
{
	cpuhp_state_remove_instance(CPUHP_MD_RAID5_PREPARE, &conf->node);
}

static int raid5_alloc_percpu(struct r5conf *conf)
{
	return cpuhp_state_add_instance(CPUHP_MD_RAID5_PREPARE, &conf->node);
}

static int __init raid5_init(void)
{
	int ret;

	ret = cpuhp_setup_state_multi(CPUHP_MD_RAID5_PREPARE,
				      "md/raid5:prepare",
				      raid456_cpu_up_prepare,
				      raid456_cpu_dead);
	if (ret)
		goto err_destroy_wq;

	return 0;

err_cpuhp_remove:
	cpuhp_remove_multi_state(CPUHP_MD_RAID5_PREPARE);
err_destroy_wq:
	destroy_workqueue(raid5_wq);
	return ret;
}
