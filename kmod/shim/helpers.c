// SPDX-License-Identifier: GPL-2.0
/*
 * What Rust needs of the kernel's macros and inline functions, and of nothing
 * of MD's.
 *
 * Tests: the scenarios unmapped (the clock), rebuild-lost (the random mark), and
 * on the debug kernel storm and rebuild-gone (the lock, RCU).
 */
#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>

#include "shim.h"

static DEFINE_MUTEX(registry_lock);

unsigned int shim_lock(void)
{
	/* First the scope, because a sleeper on the lock may suspend an array. */
	unsigned int noio = memalloc_noio_save();

	mutex_lock(&registry_lock);
	return noio;
}

void shim_unlock(unsigned int noio)
{
	mutex_unlock(&registry_lock);
	memalloc_noio_restore(noio);
}

void *shim_rcu_dereference(void **slot)
{
	return rcu_dereference(*(void __rcu **)slot);
}

void *shim_rcu_exchange(void **slot, void *value)
{
	return xchg(slot, value);
}

void shim_rcu_synchronize(void)
{
	synchronize_rcu();
}

u64 shim_milliseconds(void)
{
	return ktime_to_ms(ktime_get());
}

u64 shim_random(void)
{
	return get_random_u64();
}
