// SPDX-License-Identifier: GPL-2.0
// What: the sysctl folder dev/raid becomes a name that is decided when the module is loaded
// Why: a second table with the same names is refused with an error: where the kernel's md is at work too, it is that one's
// Since: 7.2
// Matches: md.c 1
// Fixture: 1

@table@
position p;
@@
 register_sysctl(
-"dev/raid"@p
+md_p2p_sysctl_path()
 , ...)
