/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What driver.c may ask of pci.c.
 */
#ifndef MD_P2P_PCI_H
#define MD_P2P_PCI_H

/*
 * Calls @changed from a workqueue soon after a driver has been bound or unbound,
 * a device has gone, or shim_look_for_providers() has been called.
 */
void shim_pci_watch(void (*changed)(void));
/* Returns when @changed does not run, and is not called any more. */
void shim_pci_unwatch(void);

#endif /* MD_P2P_PCI_H */
