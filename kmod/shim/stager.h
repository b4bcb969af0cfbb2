/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a stager consists of: stager.c makes and frees it, stage.c works with it.
 */
#ifndef MD_P2P_STAGER_H
#define MD_P2P_STAGER_H

#include <linux/bio.h>
#include <linux/mempool.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

struct md_io_clone;
struct mddev;

#define PIECE_PAGES	64
#define PIECE_SECTORS	(PIECE_PAGES << PAGE_SECTORS_SHIFT)

/*
 * What goes into the array may have to wait for the array. Parts must not wait
 * for it: MD has accounted for them, and whoever suspends the array waits for
 * them. So each of the two kinds has a lane of its own.
 */
enum { WHOLES, PARTS, LANES };

struct lane {
	struct mddev *mddev;
	struct workqueue_struct *out;	/* takes pages: one thread */
	struct workqueue_struct *copy;	/* what is written, on several CPUs */
	struct workqueue_struct *back;	/* of what was read, on several CPUs */
	mempool_t pieces;
	mempool_t pages;
	struct bio_set clones;
	struct bio_set splits;
	struct work_struct work;
	spinlock_t lock;		/* of all below */
	struct bio_list waiting;	/* WHOLES */
	struct list_head ios;		/* PARTS */
	struct bio *part;		/* taken from ios, not all in flight yet */
	struct md_io_clone *io;		/* that the part belongs to */
	unsigned int in_flight;		/* pages */
};

struct md_p2p_stager {
	struct bio_set chunks;		/* see shim_chunks() */
	struct lane lanes[LANES];
};

struct piece {
	struct lane *lane;
	struct bio *whole;		/* what ends with the last piece of it */
	struct bio *peer;		/* the application's bio */
	struct bvec_iter peer_iter;	/* of its peer pages */
	struct bio *host;		/* the clone with host pages */
	struct bvec_iter iter;		/* of host, before it was submitted */
	atomic_t left;			/* submitting it, and its I/O */
	struct md_io_clone *io;		/* that the part belongs to */
	bool by_engine;			/* it was copied */
	bool lost;
	struct work_struct work;
	unsigned int count;		/* of pages */
	struct bio_vec vecs[PIECE_PAGES];
};

/* Says once, before the first stager is made, what the lanes do. */
void shim_stager_init(work_func_t wholes, work_func_t parts);

#endif /* MD_P2P_STAGER_H */
