// SPDX-License-Identifier: GPL-2.0
// What: MD's workqueues get the prefix "p2p_".
// Why: raid5wq is in sysfs (WQ_SYSFS), which refuses a second workqueue of one name with -EEXIST and a stack trace.
//   Nobody could tell the other workqueues apart in a stack trace or in ps.
// Since: 7.2
// Matches: md.c 1, md-bitmap.c 1, md-llbitmap.c? 2, raid5.c 1
// Fixture: 2

@queue@
constant char[] text;
position p;
@@
alloc_workqueue(text@p, ...)

@script:python prefixed@
text << queue.text;
ours;
@@
coccinelle.ours = cocci.make_expr('"p2p_' + text[1:])

@@
constant char[] queue.text;
position queue.p;
expression prefixed.ours;
@@
alloc_workqueue(
-text@p
+ours
 , ...)
