// SPDX-License-Identifier: GPL-2.0
// What: The glue hears of every member that joins or leaves, and a member shows its distances and counters.
// Why: What the members reach must be known before the first I/O goes to them. Every member passes the two places
//   where MD links and unlinks the holder, and the array is suspended when a member joins.
// Since: 7.2
// Matches: md.c 3
// Fixture: 3
@joins@
expression rdev, array;
position p;
@@
 bd_link_disk_holder@p(rdev->bdev, array->gendisk);
+md_p2p_member_added(rdev);

@leaves@
expression rdev;
position p;
@@
+md_p2p_member_removed(rdev);
 bd_unlink_disk_holder@p(rdev->bdev, rdev->mddev->gendisk);

@shows@
position p;
@@
+static struct rdev_sysfs_entry rdev_p2pdma_distance =
+	__ATTR(p2pdma_distance, 0444, md_p2p_show_distance, NULL);
+static struct rdev_sysfs_entry rdev_p2pdma_read_bytes =
+	__ATTR(p2pdma_read_bytes, 0444, md_p2p_show_read_bytes, NULL);
+static struct rdev_sysfs_entry rdev_p2pdma_write_bytes =
+	__ATTR(p2pdma_write_bytes, 0444, md_p2p_show_write_bytes, NULL);
+
 static struct attribute *rdev_default_attrs@p[] = {
+	&rdev_p2pdma_distance.attr,
+	&rdev_p2pdma_read_bytes.attr,
+	&rdev_p2pdma_write_bytes.attr,
	...
 };
