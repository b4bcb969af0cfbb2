// SPDX-License-Identifier: GPL-2.0
// What: MD requests a personality with the prefix "p2p-", and the cluster module by our name for it.
// Why: The kernel's own personalities are not for our arrays. They would be loaded, and would register with the
//   kernel's md.
// Since: 7.2
// Matches: md.c 5
// Fixture: 3

@personality@
constant text !~ "cluster";
position p;
@@
request_module(text@p, ...)

@script:python prefixed@
text << personality.text;
ours;
@@
coccinelle.ours = cocci.make_expr('"p2p-' + text[1:])

@@
constant personality.text;
position personality.p;
expression prefixed.ours;
@@
request_module(
-text@p
+ours
 , ...)

@cluster@
position p;
@@
request_module(
-"md-cluster"@p
+"md-cluster-p2p"
 )
