// SPDX-License-Identifier: GPL-2.0
// What: A resync of raid10 does not trust the data of a member that is being recovered. The superblock of an array
//   that is not clean calls such a member a spare.
// Why: A resync compares all copies, and writes the first over the others. It comes before a recovery if both are
//   due, for example after a power cut. Without this rule, the old data of a first member that was being recovered
//   went over the only copy, with the kernel's md too. The superblock keeps the kernel's md from doing so with an
//   array that was stopped here.
// Since: 7.2
// Matches: md.c 1, raid10.c 2
// Fixture: 3
@first@
symbol conf;
expression r10_bio, i;
position p;
@@
 sync_request_write(...)
 {
	<...
	if (
-	    !r10_bio->devs[i].bio->bi_status@p
+	    !r10_bio->devs[i].bio->bi_status &&
+	    !md_p2p_lacks(conf->mirrors[r10_bio->devs[i].devnum].rdev, r10_bio->devs[i].addr, r10_bio->sectors)
	   )
		break;
	...>
 }

@none@
symbol conf, mddev, r10_bio;
identifier i;
position p;
@@
 sync_request_write(...)
 {
	<...
	if (i == conf->copies@p)
-		goto done;
+	{
+		for (i = 0; i < conf->copies; i++)
+			if (r10_bio->devs[i].repl_bio && r10_bio->devs[i].repl_bio->bi_end_io)
+				rdev_dec_pending(conf->mirrors[r10_bio->devs[i].devnum].replacement, mddev);
+		goto done;
+	}
	...>
 }

@role@
expression sb, rdev;
identifier i;
statement spare;
position p;
@@
	if (
-	    rdev->raid_disk@p >= 0
+	    rdev->raid_disk >= 0 && !md_p2p_is_told_spare(sb, rdev)
	   )
		sb->dev_roles[i] = cpu_to_le16(rdev->raid_disk);
	else
		spare
