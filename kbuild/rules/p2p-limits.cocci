// SPDX-License-Identifier: GPL-2.0
// What: every level asks the glue whether to advertise peer memory.
// Why: MD sets the bit for raid0, raid1 and raid10 whatever the topology, and for linear and raid4/5/6
//      never. All levels pass here before they stack their members.
// Since: 7.2
// Matches: md.c 1
// Fixture: 1
@stack@
identifier array, lim, flags, rdev;
position p;
@@
 int mddev_stack_rdev_limits@p(struct mddev *array, struct queue_limits *lim,
			     unsigned int flags)
 {
	struct md_rdev *rdev;
+
+	md_p2p_stack_limits(array, lim);
	...
 }
