// SPDX-License-Identifier: GPL-2.0
// What: a resync of raid10 does not take for right what a member holds that is being recovered.
// Why: it compares all copies, and writes the first over the others. A resync that is due comes before the recovery, as after a
//      power cut with the kernel's md too: where the first member was being recovered, what it held before went over the
//      only copy.
// Since: 7.2
// Matches: raid10.c 1
// Fixture: 1
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
