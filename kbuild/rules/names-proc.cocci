// SPDX-License-Identifier: GPL-2.0
// What: the making of /proc/mdstat becomes a call, its removal a part of the first call in md_exit(), and its poll
//       says when the file is about to go
// Why: there is one /proc/mdstat: when the kernel's md comes, ours gets another name, and back when it goes;
//      whoever polls the file that goes is woken, so it must be known where they sleep
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
