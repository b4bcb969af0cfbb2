// SPDX-License-Identifier: GPL-2.0
/*
 * The counters of an array, one of each on each CPU.
 *
 * Tests: the scenario counters.
 */
#include <linux/percpu.h>
#include <linux/slab.h>

#include "shim.h"

struct values {
	u64 of[MD_P2P_COUNTERS];
};

struct md_p2p_counters {
	struct values __percpu *values;
};

struct md_p2p_counters *shim_counters_new(void)
{
	struct md_p2p_counters *counters = kzalloc(sizeof(*counters), GFP_KERNEL);

	if (!counters)
		return NULL;
	counters->values = alloc_percpu(struct values);
	if (!counters->values) {
		kfree(counters);
		return NULL;
	}
	return counters;
}

void shim_counters_free(struct md_p2p_counters *counters)
{
	free_percpu(counters->values);
	kfree(counters);
}

void shim_counters_add(struct md_p2p_counters *counters,
		       enum md_p2p_counter which, u64 value)
{
	this_cpu_add(counters->values->of[which], value);
}

u64 shim_counters_sum(const struct md_p2p_counters *counters,
		      enum md_p2p_counter which)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(counters->values, cpu)->of[which]);
	return sum;
}

void shim_counters_clear(struct md_p2p_counters *counters,
			 enum md_p2p_counter which)
{
	int cpu;

	for_each_possible_cpu(cpu)
		WRITE_ONCE(per_cpu_ptr(counters->values, cpu)->of[which], 0);
}
