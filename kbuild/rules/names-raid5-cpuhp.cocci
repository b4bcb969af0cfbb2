// SPDX-License-Identifier: GPL-2.0
// What: raid4/5/6 take a dynamic CPU hotplug state instead of CPUHP_MD_RAID5_PREPARE, under a name of their own.
// Why: That slot exists once for the whole kernel. If both the kernel's raid456 and ours are loaded, the second would
//   fail with -EBUSY.
// Since: 7.2
// Matches: raid5.c 6
// Fixture: 5

@setup@
expression dead, prepare;
identifier out, ret;
position p;
@@
 ret = cpuhp_setup_state_multi(
-CPUHP_MD_RAID5_PREPARE@p, "md/raid5:prepare"
+CPUHP_BP_PREPARE_DYN, "md/raid5-p2p:prepare"
 , prepare, dead);
 if (
-ret
+ret < 0
 ) goto out;
+raid5_cpuhp_state = ret;

@state@
position p;
@@
-CPUHP_MD_RAID5_PREPARE@p
+raid5_cpuhp_state

@variable@
position p;
@@
 static struct workqueue_struct *raid5_wq@p;
+/* What cpuhp_setup_state_multi() gave us. */
+static enum cpuhp_state raid5_cpuhp_state;
