// SPDX-License-Identifier: GPL-2.0
/*
 * Starts and ends all that is there once, however many arrays there are.
 *
 * Tests: the scenarios modules and newcomer.
 */
#include "md_p2p.h"
#include "names.h"
#include "pci.h"
#include "rebuild.h"
#include "shim.h"
#include "stage.h"

int md_p2p_register_blkdev(void (*probe)(dev_t devt))
{
	int ret;

	shim_stage_init();
	shim_pci_init(md_p2p_glue_providers_changed);
	ret = shim_rebuild_init();
	if (ret)
		return ret;
	ret = shim_names_take(probe);
	if (ret) {
		shim_rebuild_exit();
		return ret;
	}

	shim_pci_watch();
	md_p2p_glue_providers_changed();
	return 0;
}

void md_p2p_unregister_blkdev(void)
{
	shim_pci_unwatch();
	md_p2p_glue_exit();
	shim_names_leave();
	shim_rebuild_exit();
}
