/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What stage.c and driver.c may ask of engine.c. What Rust may ask is in shim.h.
 */
#ifndef MD_P2P_ENGINE_H
#define MD_P2P_ENGINE_H

#include <linux/bio.h>

struct md_p2p_engine;

/*
 * Has the engine copy like md_p2p_copy_data(). Sleeps until it has, or does not
 * touch any of the pages any more. Returns 0 if all was copied, -EAGAIN if the
 * engine was not tried, and another error if it failed.
 */
int shim_engine_copy(struct md_p2p_engine *engine, struct bio *to,
		     struct bvec_iter to_iter, struct bio *from,
		     struct bvec_iter from_iter);

/* Gives channels back before their drivers go. Returns 0 or -ENOMEM. */
int shim_engines_watch(void);
/* Called when nobody has an engine any more. */
void shim_engines_unwatch(void);

#endif /* MD_P2P_ENGINE_H */
