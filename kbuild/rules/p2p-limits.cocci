// SPDX-License-Identifier: GPL-2.0
// What: Every level asks the glue whether to advertise peer memory, after it has stacked its members.
// Why: MD sets the bit for raid0, raid1 and raid10 whatever the topology is, and never for linear and raid4/5/6. The
//   block layer clears it if one member cannot map peer memory, but such a member is never given any.
// Since: 7.2
// Matches: md.c 2
// Fixture: 2
@stack@
identifier array, lim, rdev;
iterator name rdev_for_each;
statement each;
position p;
@@
 mddev_stack_rdev_limits(struct mddev *array, struct queue_limits *lim, ...)
 {
	...
	rdev_for_each@p(rdev, array)
		each
+	md_p2p_stack_limits(array, lim);
	...
 }

@grow@
identifier array, lim;
position p;
@@
 mddev_stack_new_rdev(struct mddev *array, ...)
 {
	...
+	md_p2p_stack_limits(array, &lim);
	return queue_limits_commit_update@p(array->gendisk->queue, &lim);
 }
