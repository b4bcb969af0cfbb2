/* SPDX-License-Identifier: GPL-2.0 */
/* All that bindgen reads. kbuild/Kbuild lets only shim_* and md_p2p_* through. */
#include "shim.h"
