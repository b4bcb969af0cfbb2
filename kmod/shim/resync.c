// SPDX-License-Identifier: GPL-2.0
/*
 * A resync that is due because a write has reached some members only: the
 * provider went when others had their part.
 *
 * Members may differ between p2p_due - 1 and p2p_due_end of an array. This is
 * remembered until MD begins with the resync, because what runs now may have
 * passed that place, and may set resync_offset when it ends.
 *
 * Tests: the scenarios lost, recovery-cut and faults.
 */
#include <linux/math64.h>
#include <linux/raid/md_p.h>
#include <linux/rculist.h>
#include <linux/spinlock.h>

#include "md.h"
#include "md-bitmap.h"
#include "md_p2p_resync.h"
#include "resync.h"

static DEFINE_SPINLOCK(due_lock);

/* Tells whether a member is being brought in sync. Any context. */
static bool is_incomplete(struct mddev *mddev)
{
	struct md_rdev *rdev;
	bool incomplete = false;

	rcu_read_lock();
	rdev_for_each_rcu(rdev, mddev)
		if (rdev->raid_disk >= 0 &&
		    !test_bit(Journal, &rdev->flags) &&
		    !test_bit(Faulty, &rdev->flags) &&
		    !test_bit(In_sync, &rdev->flags) &&
		    rdev->recovery_offset < MaxSector)
			incomplete = true;
	rcu_read_unlock();
	return incomplete;
}

/*
 * After a resync, MD takes a mirror for whole that it was bringing in sync. If
 * there is such a mirror, the resync has to begin at the beginning.
 */
static void lower_resync_offset(struct mddev *mddev)
{
	sector_t from;

	lockdep_assert_held(&due_lock);
	if (!mddev->p2p_due)
		return;
	from = is_incomplete(mddev) ? 0 : mddev->p2p_due - 1;
	if (from < READ_ONCE(mddev->resync_offset))
		WRITE_ONCE(mddev->resync_offset, from);
}

/* From now on MD reads one member there, and says "dirty". Any context. */
static void set_due(struct mddev *mddev, sector_t sector, sector_t end)
{
	unsigned long flags;

	spin_lock_irqsave(&due_lock, flags);
	if (!mddev->p2p_due || sector < mddev->p2p_due - 1)
		mddev->p2p_due = sector + 1;
	mddev->p2p_due_end = max(mddev->p2p_due_end, end);
	lower_resync_offset(mddev);
	spin_unlock_irqrestore(&due_lock, flags);
}

void md_p2p_resync_passed(struct mddev *mddev)
{
	unsigned long flags;

	spin_lock_irqsave(&due_lock, flags);
	lower_resync_offset(mddev);
	spin_unlock_irqrestore(&due_lock, flags);
}

/* Does what a write to md/bitmap_set_bits does. Sleeps. */
static void set_bits(struct mddev *mddev, sector_t sector, sector_t end)
{
	sector_t chunk = mddev->bitmap_info.chunksize;

	/* The lockless bitmap counts the chunk in sectors. */
	if (mddev->bitmap_id != ID_LLBITMAP)
		chunk >>= SECTOR_SHIFT;
	if (chunk && md_bitmap_enabled(mddev, false))
		mddev->bitmap_ops->dirty_bits(mddev, div64_u64(sector, chunk),
					      div64_u64(end - 1, chunk));
}

void md_p2p_resync_forgotten(struct mddev *mddev)
{
	spin_lock_irq(&due_lock);
	mddev->p2p_due = 0;
	mddev->p2p_due_end = 0;
	spin_unlock_irq(&due_lock);
}

void md_p2p_resync_due(struct mddev *mddev)
{
	bool mirrors = mddev->level == 1 || mddev->level == 10;
	sector_t due, end;

	spin_lock_irq(&due_lock);
	due = mddev->p2p_due;
	end = mddev->p2p_due_end;
	lower_resync_offset(mddev);
	mddev->p2p_due = 0;
	mddev->p2p_due_end = 0;
	/* If the array was stopped meanwhile, its superblock may say so. */
	if (mirrors && mddev->resync_offset < MaxSector && is_incomplete(mddev))
		WRITE_ONCE(mddev->resync_offset, 0);
	spin_unlock_irq(&due_lock);
	if (mddev->resync_offset == MaxSector)
		return;
	/* If a check was asked for as well, the resync would mend nothing. */
	clear_bit(MD_RECOVERY_CHECK, &mddev->recovery);
	clear_bit(MD_RECOVERY_REQUESTED, &mddev->recovery);
	if (!due)
		return;
	/* The flag is of the recovery before: what is dirty now is no part of it. */
	clear_bit(MD_RECOVERY_RECOVER, &mddev->recovery);
	set_bits(mddev, due - 1, end);
}

enum sync_action md_p2p_chosen_action(struct mddev *mddev)
{
	enum sync_action action = md_sync_action(mddev);

	if (action != ACTION_RESYNC)
		return action;
	if (test_bit(MD_RECOVERY_RESHAPE, &mddev->recovery))
		return ACTION_RESHAPE;
	/* If MD has not chosen a resync, it chooses anew. */
	return test_bit(MD_RECOVERY_SYNC, &mddev->recovery) ? action :
							      ACTION_IDLE;
}

static bool is_unclean(const struct mdp_superblock_1 *sb)
{
	return le64_to_cpu(sb->resync_offset) != MaxSector &&
	       !(le32_to_cpu(sb->feature_map) & MD_FEATURE_RESHAPE_ACTIVE);
}

bool md_p2p_recovers_anew(const struct mdp_superblock_1 *sb)
{
	u32 level = le32_to_cpu(sb->level);

	return (level == 1 || level == 10) && is_unclean(sb);
}

bool md_p2p_is_told_spare(const struct mdp_superblock_1 *sb,
			  const struct md_rdev *rdev)
{
	return le32_to_cpu(sb->level) == 10 && is_unclean(sb) &&
	       !test_bit(Replacement, &rdev->flags);
}

bool md_p2p_recovery_follows(struct mddev *mddev)
{
	return test_bit(MD_RECOVERY_SYNC, &mddev->recovery) &&
	       is_incomplete(mddev);
}
EXPORT_SYMBOL_GPL(md_p2p_recovery_follows);

static void set_due_at(struct md_io_clone *io)
{
	sector_t sector = io->orig_bio->bi_iter.bi_sector;

	set_due(io->mddev, sector, sector + bio_sectors(io->orig_bio));
}

void shim_ask_for_resync(struct mddev *mddev)
{
	set_bit(MD_RECOVERY_NEEDED, &mddev->recovery);
	md_wakeup_thread(mddev->thread);
}

void shim_resync(struct md_io_clone *io)
{
	struct mddev *mddev = io->mddev;
	sector_t sector = io->orig_bio->bi_iter.bi_sector;

	pr_warn_ratelimited("md-p2p: %s: what was written at sector %llu may have reached some members only: a resync is due\n",
			    mdname(mddev), (unsigned long long)sector);
	/* If the power fails before the resync begins, the bits stay. */
	set_bits(mddev, sector, sector + bio_sectors(io->orig_bio));
	set_due_at(io);
	shim_ask_for_resync(mddev);
}

/* md_write_inc() keeps the array from becoming clean, until md_write_end(). */
void shim_lose_write(struct md_io_clone *io)
{
	set_due_at(io);
	if (!xchg(&io->p2p_due, true))
		md_write_inc(io->mddev, &io->bio_clone);
}
