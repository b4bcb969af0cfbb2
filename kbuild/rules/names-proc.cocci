// SPDX-License-Identifier: GPL-2.0
// What: The creation of /proc/mdstat becomes a call, its removal a part of the first call in md_exit(), and its poll
//   says when the file is about to go.
// Why: There is only one /proc/mdstat. When the kernel's md comes, ours takes another name, and takes this name back
//   when the kernel's md goes. Programs that poll the file must be woken before it goes, so it must be known where
//   they sleep.
// Since: 7.2
// Matches: md.c 3
// Fixture: 3

@make@
expression mode, ops;
position p;
@@
-proc_create@p("mdstat", mode, NULL, &ops);
+md_p2p_mdstat(&ops, &md_event_waiters);

@poll@
identifier mask;
position p;
@@
 mdstat_poll(...)
 {
 <...
-return@p mask;
+return mask | md_p2p_mdstat_goes();
 ...>
 }

@remove@
position p;
@@
-remove_proc_entry@p("mdstat", NULL);
