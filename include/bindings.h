/* SPDX-License-Identifier: GPL-2.0 */
/* All that bindgen reads: allow shim_.* and md_p2p_.* only. */
#include "shim.h"
