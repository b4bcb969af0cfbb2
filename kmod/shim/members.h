/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What array.c may ask of members.c.
 */
#ifndef MD_P2P_MEMBERS_H
#define MD_P2P_MEMBERS_H

#include <linux/types.h>

struct queue_limits;

/* Says in the limits whether the queue takes peer memory. */
void shim_set_advertised(struct queue_limits *lim, bool advertise);

#endif /* MD_P2P_MEMBERS_H */
