// SPDX-License-Identifier: GPL-2.0
/*
 * The files p2pdma_* of arrays and members in sysfs: one value a file.
 *
 * Tests: the scenarios sysfs, counters and rebuild-provider.
 */
#include <linux/kobject.h>
#include <linux/sysfs.h>

#include "md.h"
#include "md_p2p.h"
#include "shim.h"

#define P2P_COUNTER(_file, _which)					\
static ssize_t _file##_show(struct mddev *mddev, char *page)		\
{									\
	if (!mddev->p2p)						\
		return -ENOMEM;						\
	return md_p2p_glue_show_counter(mddev->p2p, _which, page,	\
					PAGE_SIZE);			\
}									\
static struct md_sysfs_entry _file = __ATTR_RO(_file)

P2P_COUNTER(p2pdma_read_direct_bytes, MD_P2P_READ_DIRECT_BYTES);
P2P_COUNTER(p2pdma_read_direct_ios, MD_P2P_READ_DIRECT_IOS);
P2P_COUNTER(p2pdma_read_staged_bytes, MD_P2P_READ_STAGED_BYTES);
P2P_COUNTER(p2pdma_read_staged_ios, MD_P2P_READ_STAGED_IOS);
P2P_COUNTER(p2pdma_write_direct_bytes, MD_P2P_WRITE_DIRECT_BYTES);
P2P_COUNTER(p2pdma_write_direct_ios, MD_P2P_WRITE_DIRECT_IOS);
P2P_COUNTER(p2pdma_write_staged_bytes, MD_P2P_WRITE_STAGED_BYTES);
P2P_COUNTER(p2pdma_write_staged_ios, MD_P2P_WRITE_STAGED_IOS);
P2P_COUNTER(p2pdma_staged_engine_bytes, MD_P2P_STAGED_ENGINE_BYTES);
P2P_COUNTER(p2pdma_refused_ios, MD_P2P_REFUSED_IOS);
P2P_COUNTER(p2pdma_rebuild_peer_bytes, MD_P2P_REBUILD_PEER_BYTES);
P2P_COUNTER(p2pdma_rebuild_host_bytes, MD_P2P_REBUILD_HOST_BYTES);

static ssize_t p2pdma_state_show(struct mddev *mddev, char *page)
{
	if (!mddev->p2p)
		return -ENOMEM;
	return md_p2p_glue_show_state(mddev->p2p, mddev->pers, mddev->level,
				      page, PAGE_SIZE);
}
static struct md_sysfs_entry p2pdma_state = __ATTR_RO(p2pdma_state);

static ssize_t p2pdma_reason_show(struct mddev *mddev, char *page)
{
	if (!mddev->p2p)
		return -ENOMEM;
	return md_p2p_glue_show_reason(mddev->p2p, page, PAGE_SIZE);
}

static struct md_sysfs_entry p2pdma_reason = __ATTR_RO(p2pdma_reason);

static ssize_t p2pdma_staging_show(struct mddev *mddev, char *page)
{
	if (!mddev->p2p)
		return -ENOMEM;
	return md_p2p_glue_show_staging(mddev->p2p, page, PAGE_SIZE);
}

static struct md_sysfs_entry p2pdma_staging = __ATTR_RO(p2pdma_staging);

static ssize_t p2pdma_policy_show(struct mddev *mddev, char *page)
{
	if (!mddev->p2p)
		return -ENOMEM;
	return md_p2p_glue_show_policy(mddev->p2p, page, PAGE_SIZE);
}

static ssize_t p2pdma_policy_store(struct mddev *mddev, const char *page,
				   size_t length)
{
	if (!mddev->p2p)
		return -ENOMEM;
	return md_p2p_glue_store_policy(mddev->p2p, page, length) ?
	       length : -EINVAL;
}

static struct md_sysfs_entry p2pdma_policy = __ATTR_RW(p2pdma_policy);

static ssize_t p2pdma_provider_show(struct mddev *mddev, char *page)
{
	/* A rebuild that waits for its start, or for another array, is none. */
	bool rebuilding = test_bit(MD_RECOVERY_RUNNING, &mddev->recovery) &&
			  !test_bit(MD_RECOVERY_REQUESTED, &mddev->recovery) &&
			  READ_ONCE(mddev->curr_resync) > MD_RESYNC_ACTIVE;

	if (!mddev->p2p)
		return -ENOMEM;
	return md_p2p_glue_show_provider(mddev->p2p, rebuilding, page,
					 PAGE_SIZE);
}

static ssize_t p2pdma_provider_store(struct mddev *mddev, const char *page,
				     size_t length)
{
	int ret;

	if (!mddev->p2p)
		return -ENOMEM;
	ret = md_p2p_glue_store_provider(mddev->p2p, page, length);
	return ret ?: length;
}

static struct md_sysfs_entry p2pdma_provider = __ATTR_RW(p2pdma_provider);

static struct attribute *array_attrs[] = {
	&p2pdma_policy.attr,
	&p2pdma_state.attr,
	&p2pdma_reason.attr,
	&p2pdma_read_direct_bytes.attr,
	&p2pdma_read_direct_ios.attr,
	&p2pdma_read_staged_bytes.attr,
	&p2pdma_read_staged_ios.attr,
	&p2pdma_write_direct_bytes.attr,
	&p2pdma_write_direct_ios.attr,
	&p2pdma_write_staged_bytes.attr,
	&p2pdma_write_staged_ios.attr,
	&p2pdma_staged_engine_bytes.attr,
	&p2pdma_staging.attr,
	&p2pdma_refused_ios.attr,
	&p2pdma_provider.attr,
	&p2pdma_rebuild_peer_bytes.attr,
	&p2pdma_rebuild_host_bytes.attr,
	NULL,
};

static const struct attribute_group array_group = {
	.attrs = array_attrs,
};

void md_p2p_show_array(struct mddev *mddev)
{
	struct kobject *disk = &disk_to_dev(mddev->gendisk)->kobj;

	if (sysfs_create_group(&mddev->kobj, &array_group) ||
	    sysfs_create_link(disk, &mddev->kobj, "device"))
		pr_warn("md-p2p: %s: some p2pdma files are missing in sysfs\n",
			mdname(mddev));
}

ssize_t md_p2p_show_distance(struct md_rdev *rdev, char *page)
{
	struct mddev *mddev = READ_ONCE(rdev->mddev);

	if (!mddev || !mddev->p2p)
		return -ENODEV;
	return md_p2p_glue_show_distance(mddev->p2p, rdev, page, PAGE_SIZE);
}

static ssize_t show_member_bytes(struct md_rdev *rdev, bool write, char *page)
{
	struct mddev *mddev = READ_ONCE(rdev->mddev);

	if (!mddev || !mddev->p2p)
		return -ENODEV;
	return md_p2p_glue_show_member_bytes(mddev->p2p, rdev->p2p_slot, write,
					     page, PAGE_SIZE);
}

ssize_t md_p2p_show_read_bytes(struct md_rdev *rdev, char *page)
{
	return show_member_bytes(rdev, false, page);
}

ssize_t md_p2p_show_write_bytes(struct md_rdev *rdev, char *page)
{
	return show_member_bytes(rdev, true, page);
}
