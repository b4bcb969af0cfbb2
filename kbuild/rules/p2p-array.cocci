// SPDX-License-Identifier: GPL-2.0
// What: An array's state is made and freed with the array, shown in sysfs once the array is there, and worked out
//   anew when the array starts to run or changes its level.
// Why: The glue must know every array for exactly as long as MD does.
// Since: 7.2
// Matches: md.c 5
// Fixture: 5
@new@
expression array;
position p;
@@
 INIT_WORK@p(&array->del_work, mddev_delayed_delete);
+array->p2p = md_p2p_array_new(array);

@free@
identifier array;
position p;
@@
 void mddev_destroy(struct mddev *array)
 {
+	md_p2p_array_free(array->p2p);
	bioset_exit@p(&array->bio_set);
	...
 }

@show@
expression array;
position p;
@@
+md_p2p_show_array(array);
 kobject_uevent@p(&array->kobj, KOBJ_ADD);

@started@
expression array, err;
position p;
@@
 err = md_run@p(array);
 if (err)
	goto out;
+md_p2p_array_started(array);

@level@
expression array;
position p;
@@
+md_p2p_array_started(array);
 sysfs_notify_dirent_safe@p(array->sysfs_level);
