// SPDX-License-Identifier: GPL-2.0
// What: The module aliases get the prefix "p2p-"; the aliases of the driver itself go away.
// Why: The kernel looks for a personality, or for the owner of block major 9, by alias, and must never find ours for
//   its own arrays. Ours are requested with the prefix: see names-request-module.
// Since: 7.2
// Matches: md.c 2, md-linear.c? 3, raid0.c 3, raid1.c 3, raid10.c 3, raid5.c 10
// Fixture: 4

@driver@
declarer name MODULE_ALIAS;
position p;
@@
-MODULE_ALIAS@p("md");

@block_major@
declarer name MODULE_ALIAS_BLOCKDEV_MAJOR;
position p;
@@
-MODULE_ALIAS_BLOCKDEV_MAJOR@p(MD_MAJOR);

@personality@
declarer name MODULE_ALIAS;
constant char[] alias;
position p;
@@
MODULE_ALIAS(alias@p);

@script:python prefixed@
alias << personality.alias;
ours;
@@
coccinelle.ours = cocci.make_expr('"p2p-' + alias[1:])

@@
declarer name MODULE_ALIAS;
constant char[] personality.alias;
position personality.p;
expression prefixed.ours;
@@
MODULE_ALIAS(
-alias@p
+ours
 );
