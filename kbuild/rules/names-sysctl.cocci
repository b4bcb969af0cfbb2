// SPDX-License-Identifier: GPL-2.0
// What: The creation of the sysctl folder dev/raid becomes a call, and its removal a part of the first call in
//   md_exit().
// Why: There is only one dev/raid. When the kernel's md comes, ours takes another name, and takes this name back when
//   the kernel's md goes.
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
