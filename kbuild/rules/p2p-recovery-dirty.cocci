// SPDX-License-Identifier: GPL-2.0
// What: a recovery of a mirror that the power was cut in begins anew, unless the array was clean.
// Why: it would go on where it was. What was being written before that place may be on the members in sync, and not on the one
//      that is recovered: md has nothing resynced where only one copy is in sync, and members would differ for good. With
//      parity, md resyncs all, and what was recovered is the only right copy of a stripe that was being written elsewhere.
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
