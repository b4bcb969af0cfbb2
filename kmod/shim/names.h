/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What driver.c may ask of names.c.
 */
#ifndef MD_P2P_NAMES_H
#define MD_P2P_NAMES_H

#include <linux/types.h>

int shim_names_take(void (*probe)(dev_t devt));
void shim_names_leave(void);

#endif /* MD_P2P_NAMES_H */
