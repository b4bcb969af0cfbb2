/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A resync that becomes due because a write was lost: kmod/shim/resync.c.
 */
#ifndef MD_P2P_RESYNC_H
#define MD_P2P_RESYNC_H

#include "md.h"

struct mdp_superblock_1;

/*
 * MD calls this when it is about to choose what to do, and nothing runs. It
 * would take a check that somebody has asked for in place of the resync, but a
 * check repairs nothing.
 */
void md_p2p_resync_due(struct mddev *mddev);
/* MD has set resync_offset to where the resync has come to. */
void md_p2p_resync_passed(struct mddev *mddev);
/* The array has been stopped: the next one of this name owes nothing. */
void md_p2p_resync_forgotten(struct mddev *mddev);
/*
 * Returns what the thread was made for, if that is a reshape or a recovery.
 * md_sync_action() says "resync" whenever resync_offset has become lower since.
 */
enum sync_action md_p2p_chosen_action(struct mddev *mddev);
/* Tells whether a mirror that was being recovered is recovered from sector 0. */
bool md_p2p_recovers_anew(const struct mdp_superblock_1 *sb);
/*
 * Tells whether a member's superblock must call it a spare. The kernel's md
 * would believe what such a member of raid10 holds.
 */
bool md_p2p_is_told_spare(const struct mdp_superblock_1 *sb,
			  const struct md_rdev *rdev);
/* Tells whether a resync has ended, but a member needs a recovery as well. */
bool md_p2p_recovery_follows(struct mddev *mddev);

/* Tells whether a member is being brought in sync, and lacks some of this. */
static inline bool md_p2p_lacks(const struct md_rdev *rdev, sector_t sector,
				unsigned int sectors)
{
	return !test_bit(In_sync, &rdev->flags) &&
	       rdev->recovery_offset < sector + sectors;
}

/*
 * Tells whether a recovery runs. Somebody may ask for a recovery while a resync
 * runs, which it then follows.
 */
static inline bool md_p2p_recovers(const struct mddev *mddev)
{
	return test_bit(MD_RECOVERY_RECOVER, &mddev->recovery) &&
	       !test_bit(MD_RECOVERY_SYNC, &mddev->recovery);
}

#endif /* MD_P2P_RESYNC_H */
