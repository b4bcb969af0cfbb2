// SPDX-License-Identifier: GPL-2.0
/*
 * Starts and ends all that is there once, however many arrays there are.
 *
 * Tests: the scenarios modules and newcomer.
 */
#include "copy.h"
#include "engine.h"
#include "md_p2p.h"
#include "names.h"
#include "pci.h"
#include "rebuild.h"
#include "shim.h"
#include "stage.h"

int md_p2p_register_blkdev(void (*probe)(dev_t devt))
{
	int ret;

	shim_copy_init();
	shim_stage_init();
	shim_pci_init(md_p2p_glue_providers_changed);
	ret = shim_rebuild_init();
	if (ret)
		return ret;
	ret = shim_engines_watch();
	if (ret)
		goto out_rebuild;
	ret = shim_names_take(probe);
	if (ret)
		goto out_engines;
	shim_pci_watch();
	return 0;

out_engines:
	shim_engines_unwatch();
out_rebuild:
	shim_rebuild_exit();
	return ret;
}

void md_p2p_unregister_blkdev(void)
{
	/* Whoever gives something back may have the providers looked for. */
	md_p2p_glue_exit();
	shim_pci_unwatch();
	shim_engines_unwatch();
	shim_names_leave();
	shim_rebuild_exit();
}
