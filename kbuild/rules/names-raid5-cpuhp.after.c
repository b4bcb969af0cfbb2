static struct workqueue_struct *raid5_wq;
/* What cpuhp_setup_state_multi() gave us. */
static enum cpuhp_state raid5_cpuhp_state;

static void raid5_free_percpu(struct r5conf *conf)
{
	cpuhp_state_remove_instance(raid5_cpuhp_state, &conf->node);
}

static int raid5_alloc_percpu(struct r5conf *conf)
{
	return cpuhp_state_add_instance(raid5_cpuhp_state, &conf->node);
}

static int __init raid5_init(void)
{
	int ret;

	ret = cpuhp_setup_state_multi(CPUHP_BP_PREPARE_DYN,
				      "md/raid5-p2p:prepare",
				      raid456_cpu_up_prepare,
				      raid456_cpu_dead);
	if (ret < 0)
		goto err_destroy_wq;
	raid5_cpuhp_state = ret;

	return 0;

err_cpuhp_remove:
	cpuhp_remove_multi_state(raid5_cpuhp_state);
err_destroy_wq:
	destroy_workqueue(raid5_wq);
	return ret;
}
