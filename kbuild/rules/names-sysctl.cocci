// SPDX-License-Identifier: GPL-2.0
// What: the making of the sysctl folder dev/raid becomes a call, and its removal a part of the first call in md_exit()
// Why: there is one dev/raid: when the kernel's md comes, ours gets another name, and back when it goes
// Since: 7.2
// Matches: md.c 3
// Fixture: 3

@variable@
identifier kept;
position p;
@@
-static struct ctl_table_header *kept@p;

@make@
identifier variable.kept;
identifier table;
position p;
@@
-kept@p = register_sysctl("dev/raid", table);
+md_p2p_settings(table, ARRAY_SIZE(table));

@remove@
identifier variable.kept;
position p;
@@
-unregister_sysctl_table@p(kept);
