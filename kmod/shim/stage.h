/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What md_p2p.c and driver.c may ask of stage.c.
 */
#ifndef MD_P2P_STAGE_H
#define MD_P2P_STAGE_H

#include <linux/blk_types.h>

struct bio_set;
struct md_io_clone;
struct md_p2p_array;
struct md_p2p_stager;
struct md_rdev;

/* How a member's part has come back. */
enum shim_part {
	SHIM_DIRECT,	/* it was not staged */
	SHIM_STAGED,	/* it was staged at the first try, as what follows */
	SHIM_REPEATED,	/* it was staged after it had failed */
	SHIM_LOST,	/* the provider has gone: the data are lost, or a half of them */
};

/* Called once, before there is an array. */
void shim_stage_init(void);

/* Tells whether it can stage @bio. An atomic write is never split. */
bool shim_can_stage(const struct bio *bio);

/*
 * Takes @bio, which MD has not accounted for, through host pages and back into
 * the array, some time soon. Does not sleep.
 */
void shim_stage(struct md_p2p_stager *stager, struct bio *bio);

/* Returns what lives as long as the array, for bios that are split at chunks. */
struct bio_set *shim_chunks(struct md_p2p_stager *stager);

/* Returns what bio_chain() sets. The kernel does not export it. */
bio_end_io_t *shim_chain_end_io(void);

/*
 * Charges the application's cgroup for @bio in the members' queues, if @bio is
 * a clone that shim_stage() has submitted, or a part of one.
 */
void shim_charge(struct bio *bio);

/*
 * Takes a member's part of what MD has accounted for through host pages, some
 * time soon: the sectors of the application's bio from @offset on. @part is the
 * member's bio, which has not been submitted, or has failed. It comes back to
 * its bi_end_io, and shim_part() says how. Does not sleep.
 */
void shim_stage_part(struct md_p2p_stager *stager, struct md_io_clone *io,
		     struct bio *part, struct md_rdev *rdev, u64 to,
		     unsigned int offset, unsigned int sectors);
enum shim_part shim_part(struct bio *part);

/*
 * Has MD told that the members may differ at @io, some time soon, in a thread
 * that may sleep. Then the clone of @io ends once more. Does not sleep.
 */
void shim_settle(struct md_p2p_stager *stager, struct md_io_clone *io);

/*
 * Tells whether what the CPU copies of @bio's peer pages, or into them, gets
 * there.
 */
bool shim_answers(const struct md_p2p_array *array, const struct bio *bio);

#endif /* MD_P2P_STAGE_H */
