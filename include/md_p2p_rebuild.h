/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Rebuilds of mirrors through peer pages: kmod/shim/rebuild.c.
 *
 * A mirror is rebuilt buffer by buffer. MD keeps a loan with each buffer; the
 * loan is NULL if the buffer's data pass through host pages.
 */
#ifndef MD_P2P_REBUILD_H
#define MD_P2P_REBUILD_H

#include "md.h"

struct md_p2p_loan;

/* A rebuild of this array starts. */
void md_p2p_rebuild_starts(struct mddev *mddev);
/*
 * Submits @source, MD's read. If all members that are read or written reach a
 * provider, submits a stand-in from peer pages instead. @bios are what MD will
 * write, or what it would read if @source failed; some may be NULL. The read
 * ends as MD's bio does.
 */
void md_p2p_rebuild_read(struct md_p2p_loan **owner, struct mddev *mddev,
			 struct bio *source, struct bio **bios, int count);
/* Submits one of MD's writes, once the read has ended. It ends as MD's bio. */
void md_p2p_rebuild_write(struct md_p2p_loan *loan, struct bio *bio);
/*
 * Tells whether a write failed because its data were lost: in peer memory, and
 * then wherever they had been read. The member that lacks them is not to blame.
 */
bool md_p2p_rebuild_lost(const struct md_p2p_loan *loan, const struct bio *bio);
/* Gives the pages back. The I/O has ended, if there was any. Does not sleep. */
void md_p2p_rebuild_put(struct md_p2p_loan **owner);
void __md_p2p_rebuild_wrote(struct mddev *mddev, const struct md_p2p_loan *loan,
			    const struct bio *bio, unsigned int sectors);

/* MD's write to a member that is being brought in sync has ended. */
static inline void md_p2p_rebuild_wrote(struct mddev *mddev,
					const struct md_p2p_loan *loan,
					const struct bio *bio,
					unsigned int sectors)
{
	if (!bio->bi_status)
		__md_p2p_rebuild_wrote(mddev, loan, bio, sectors);
}

/* raid4/5/6: a stripe is in sync. The stripe cache has host pages. */
static inline void md_p2p_rebuilt(struct mddev *mddev, unsigned int sectors)
{
	__md_p2p_rebuild_wrote(mddev, NULL, NULL, sectors);
}

#endif /* MD_P2P_REBUILD_H */
