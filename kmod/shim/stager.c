// SPDX-License-Identifier: GPL-2.0
/*
 * Makes and frees what staging needs: host pages, clones and threads, each with
 * a reserve of its own. Rust decides when an array gets a stager.
 *
 * Tests: the scenarios pressure and modules.
 */
#include <linux/slab.h>

#include "shim.h"
#include "stager.h"

#define RESERVE		2

static work_func_t lane_work[LANES];

void shim_stager_init(work_func_t wholes, work_func_t parts)
{
	lane_work[WHOLES] = wholes;
	lane_work[PARTS] = parts;
}

static void lane_exit(struct lane *lane)
{
	if (lane->out)
		destroy_workqueue(lane->out);
	if (lane->copy)
		destroy_workqueue(lane->copy);
	if (lane->back)
		destroy_workqueue(lane->back);
	mempool_exit(&lane->pages);
	mempool_exit(&lane->pieces);
	bioset_exit(&lane->clones);
	bioset_exit(&lane->splits);
}

static bool lane_init(struct lane *lane, struct mddev *mddev,
		      work_func_t stage)
{
	const unsigned int flags = WQ_UNBOUND | WQ_MEM_RECLAIM;

	lane->mddev = mddev;
	spin_lock_init(&lane->lock);
	bio_list_init(&lane->waiting);
	INIT_LIST_HEAD(&lane->ios);
	INIT_WORK(&lane->work, stage);
	lane->out = alloc_workqueue("md_p2p_out", flags, 0);
	/* Copies are work for a CPU each. */
	lane->copy = alloc_workqueue("md_p2p_copy", flags, num_online_cpus());
	lane->back = alloc_workqueue("md_p2p_back", flags, num_online_cpus());
	return lane->out && lane->copy && lane->back &&
	       !mempool_init_page_pool(&lane->pages, PIECE_PAGES, 0) &&
	       !mempool_init_kmalloc_pool(&lane->pieces, RESERVE,
					  sizeof(struct piece)) &&
	       !bioset_init(&lane->clones, RESERVE, 0, 0) &&
	       !bioset_init(&lane->splits, RESERVE, 0, 0);
}

void shim_stager_free(struct md_p2p_stager *stager)
{
	int i;

	for (i = 0; i < LANES; i++)
		lane_exit(&stager->lanes[i]);
	bioset_exit(&stager->chunks);
	kfree(stager);
}

struct md_p2p_stager *shim_stager_new(struct mddev *mddev)
{
	struct md_p2p_stager *stager = kzalloc(sizeof(*stager), GFP_KERNEL);
	int i;

	if (!stager)
		return NULL;
	if (bioset_init(&stager->chunks, BIO_POOL_SIZE, 0, 0)) {
		shim_stager_free(stager);
		return NULL;
	}
	for (i = 0; i < LANES; i++)
		if (!lane_init(&stager->lanes[i], mddev, lane_work[i])) {
			shim_stager_free(stager);
			return NULL;
		}
	return stager;
}
