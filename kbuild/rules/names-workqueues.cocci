// SPDX-License-Identifier: GPL-2.0
// What: MD's workqueues get the prefix "p2p_"
// Why: raid5wq is in sysfs (WQ_SYSFS), where the second of a text is refused with -EEXIST and a stack trace; the
//   others would be told apart by nobody in a stack trace or in ps
// Since: 7.2
// Matches: md.c 1, md-bitmap.c 1, md-llbitmap.c 2, raid5.c 1
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
