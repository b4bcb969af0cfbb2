// SPDX-License-Identifier: GPL-2.0
/*
 * What md-p2p was made from, for modinfo and in /sys/module/md_p2p/parameters:
 * the package of the MD source, the SHA-256 of its files (one after the other
 * in the order of their names), the rules that changed them, and what of MD is
 * other than in any MD that was tested.
 */
#include <linux/module.h>

#include "provenance.h"
#include "tested.h"

static char *md_source = MD_P2P_SOURCE;
static char *md_source_sha256 = MD_P2P_SOURCE_SHA256;
static char *md_rules = MD_P2P_RULES;
static char *md_untested = MD_P2P_UNTESTED;

module_param(md_source, charp, 0444);
MODULE_PARM_DESC(md_source, "What the source of MD was taken from (to be read only)");
module_param(md_source_sha256, charp, 0444);
MODULE_PARM_DESC(md_source_sha256, "The SHA-256 of that source (to be read only)");
module_param(md_rules, charp, 0444);
MODULE_PARM_DESC(md_rules, "The rules that changed it (to be read only)");
module_param(md_untested, charp, 0444);
MODULE_PARM_DESC(md_untested, "What of it is other than in any MD that was tested (to be read only)");

MODULE_INFO(md_source, MD_P2P_SOURCE);
MODULE_INFO(md_source_sha256, MD_P2P_SOURCE_SHA256);
MODULE_INFO(md_rules, MD_P2P_RULES);
MODULE_INFO(md_untested, MD_P2P_UNTESTED);
