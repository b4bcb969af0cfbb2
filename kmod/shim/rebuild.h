/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What driver.c may ask of rebuild.c.
 */
#ifndef MD_P2P_SHIM_REBUILD_H
#define MD_P2P_SHIM_REBUILD_H

int shim_rebuild_init(void);
void shim_rebuild_exit(void);

#endif /* MD_P2P_SHIM_REBUILD_H */
