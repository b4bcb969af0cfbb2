/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MD_P2P_SHIM_COPY_H
#define MD_P2P_SHIM_COPY_H

/* Finds out how wide the CPU is to copy. Called once, before there is an array. */
void shim_copy_init(void);

#endif /* MD_P2P_SHIM_COPY_H */
