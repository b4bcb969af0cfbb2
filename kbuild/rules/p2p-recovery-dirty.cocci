// SPDX-License-Identifier: GPL-2.0
// What: A recovery of a mirror that a power cut interrupted begins anew, unless the array was clean.
// Why: MD would go on where it was. A write in flight at an earlier sector may be on the members in sync, but not on
//   the recovered member. MD resyncs nothing if only one copy is in sync, so members would differ for good. With
//   parity, MD resyncs all, and what was recovered is the only right copy of a stripe that was being written
//   elsewhere.
// Since: 7.2
// Matches: md.c 0|1
// Fixture: 1
@dirty@
expression sb, rdev;
position p;
statement does;
@@
	rdev->recovery_offset@p = le64_to_cpu(sb->recovery_offset);
+	if (md_p2p_recovers_anew(sb))
+		rdev->recovery_offset = 0;
	if (!(le32_to_cpu(sb->feature_map) & MD_FEATURE_RECOVERY_BITMAP))
		does
