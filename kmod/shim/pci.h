/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What driver.c may ask of pci.c.
 */
#ifndef MD_P2P_PCI_H
#define MD_P2P_PCI_H

/*
 * Called once, before there is an array. @changed is called from a workqueue soon
 * after shim_look_for_providers() has been called.
 */
void shim_pci_init(void (*changed)(void));
/* Looks for providers whenever a driver is bound or unbound, or a device goes. */
void shim_pci_watch(void);
/* Returns when @changed does not run, and is not called any more. */
void shim_pci_unwatch(void);

#endif /* MD_P2P_PCI_H */
