// SPDX-License-Identifier: GPL-2.0
// What: /proc/mdstat becomes a name that is decided when the module is loaded
// Why: there is one /proc/mdstat: where the kernel's md is at work too, it is that one's
// Since: 7.2
// Matches: md.c 2
// Fixture: 2

@stat@
identifier f = {proc_create, remove_proc_entry};
position p;
@@
 f(
-"mdstat"@p
+md_p2p_mdstat_name()
 , ...)
