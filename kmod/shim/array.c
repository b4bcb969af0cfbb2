// SPDX-License-Identifier: GPL-2.0
/*
 * Arrays and members come and go, and Rust gets to know of it.
 *
 * Tests: the scenarios policy, modules and journal.
 */
#include <linux/module.h>
#include <linux/moduleparam.h>

#include "md.h"
#include "md_p2p.h"
#include "members.h"
#include "shim.h"

/* The word is kept as it was written. */
static char default_policy[8] = "auto";

static int set_default_policy(const char *word, const struct kernel_param *kp)
{
	if (md_p2p_glue_parse_policy(word, strlen(word)) < 0)
		return -EINVAL;
	return param_set_copystring(word, kp);
}

static const struct kernel_param_ops default_policy_ops = {
	.set = set_default_policy,
	.get = param_get_string,
};

static struct kparam_string default_policy_string = {
	.maxlen = sizeof(default_policy),
	.string = default_policy,
};

module_param_cb(p2pdma_policy, &default_policy_ops, &default_policy_string,
		0644);
MODULE_PARM_DESC(p2pdma_policy, "p2pdma_policy of new arrays: auto, direct or off");

struct md_p2p_array *md_p2p_array_new(struct mddev *mddev)
{
	int policy = md_p2p_glue_parse_policy(default_policy,
					      strlen(default_policy));

	return md_p2p_glue_array_new(mddev, policy);
}

void md_p2p_array_free(struct md_p2p_array *array)
{
	if (array)
		md_p2p_glue_array_free(array);
}

/*
 * A member holds the module: neither MD's exit nor ours knows how to part with
 * members.
 */
void md_p2p_member_added(struct md_rdev *rdev)
{
	__module_get(THIS_MODULE);
	if (rdev->mddev->p2p)
		md_p2p_glue_member_added(rdev->mddev->p2p, rdev);
}

void md_p2p_member_removed(struct md_rdev *rdev)
{
	if (rdev->mddev->p2p)
		md_p2p_glue_member_removed(rdev->mddev->p2p, rdev);
	module_put(THIS_MODULE);
}

/*
 * An array starts, or gets another level. Some members turn out to be journals
 * only when the superblocks have been read. Only now does the queue take the
 * limits.
 */
void md_p2p_array_started(struct mddev *mddev)
{
	struct md_rdev *rdev;

	if (!mddev->p2p)
		return;
	rdev_for_each(rdev, mddev)
		if (test_bit(Journal, &rdev->flags)) {
			md_p2p_glue_member_removed(mddev->p2p, rdev);
			rdev->p2p_slot = MD_P2P_SLOTS;
		}
	md_p2p_glue_array_started(mddev->p2p);
}

void md_p2p_stack_limits(struct mddev *mddev, struct queue_limits *lim)
{
	bool advertise = mddev->p2p &&
			 md_p2p_glue_advertises(mddev->p2p);

	shim_set_advertised(lim, advertise);
}
