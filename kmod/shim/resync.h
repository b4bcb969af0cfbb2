/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What md_p2p.c and stage.c may ask of resync.c.
 */
#ifndef MD_P2P_SHIM_RESYNC_H
#define MD_P2P_SHIM_RESYNC_H

struct md_io_clone;
struct mddev;

/*
 * A write is lost at some members. From now on MD reads one member there, and
 * the array does not become clean before md_write_end(). Any context.
 */
void shim_lose_write(struct md_io_clone *io);
/* Tells MD, and whoever reads the log, that a resync is due at @io. Sleeps. */
void shim_resync(struct md_io_clone *io);
/* Wakes MD, which then finds that a resync is due. Any context. */
void shim_ask_for_resync(struct mddev *mddev);

#endif /* MD_P2P_SHIM_RESYNC_H */
