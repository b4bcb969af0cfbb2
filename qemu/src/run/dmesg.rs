// SPDX-License-Identifier: GPL-2.0
//! Reads the guest kernel's messages: whether it panicked, and whether it complained.
//!
//! No complaint is excused: a run whose kernel warned has failed.

/// Complaints that start a message.
const STARTS: &[&str] = &[
    "WARNING:",
    "BUG:",
    "BUG ",
    "kernel BUG at ",
    "INFO: task ",
    "INFO: possible ",
    "INFO: trying to register non-static key",
    "INFO: rcu",
    "rcu: INFO: rcu",
    "Oops",
    "Call Trace:",
    "UBSAN:",
    "KASAN:",
    "KFENCE:",
    "refcount_t:",
    "watchdog: ",
    "list_add corruption",
    "list_del corruption",
    "sysfs: cannot create duplicate filename",
    "general protection fault",
    "Bad page state",
    "------------[ cut here ]------------",
];

/// Complaints that may stand behind other words.
const CONTAINS: &[&str] = &[
    "general protection fault",
    "soft lockup",
    "hard LOCKUP",
    "blocked for more than",
    "detected stall",
    "UBSAN:",
    "KASAN:",
    "BUG: ",
    "Slab cache still has objects",
    "suspicious RCU usage",
    // lockdep reports nothing more after this.
    "turning off the locking correctness validator",
    // An IOMMU has stopped a transfer.
    "DMAR: [DMA ",
    // A complaint may be among what was not printed.
    "printk messages dropped",
];

/// Returns the lines in which the kernel complains.
pub fn complaints(dmesg: &str) -> Vec<&str> {
    dmesg
        .lines()
        .filter(|line| is_complaint(message(line)))
        .map(str::trim_end)
        .collect()
}

/// Returns the line in which the kernel panics, or `None`.
pub fn panic(dmesg: &str) -> Option<&str> {
    dmesg
        .lines()
        .find(|line| message(line).starts_with("Kernel panic - not syncing"))
        .map(str::trim_end)
}

/// Returns whether the kernel panicked at a breakpoint before it had started any program. This only
/// happens in an emulator, which runs an instruction that the kernel has already changed back.
pub fn stale_breakpoint(dmesg: &str) -> bool {
    let has = |start: &str| dmesg.lines().any(|line| message(line).starts_with(start));
    panic(dmesg).is_some() && has("Oops: int3: ") && !has("Run /init as init process")
}

fn is_complaint(message: &str) -> bool {
    STARTS.iter().any(|start| message.starts_with(start))
        || CONTAINS.iter().any(|part| message.contains(part))
}

/// Returns a line without its time and its caller: `[    1.234567][  T123] `.
fn message(line: &str) -> &str {
    let mut rest = line.trim_start();
    while let Some((_, after)) = rest
        .strip_prefix('[')
        .and_then(|inner| inner.split_once(']'))
    {
        rest = after.trim_start();
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of a boot in which nothing is wrong. Some of them look wrong.
    const CLEAN: &str = "\
[    0.000000] Linux version 7.2.12+deb13-amd64 (debian-kernel@lists.debian.org)
[    0.100000] rcu: Preemptible hierarchical RCU implementation.
[    0.110000] Spectre V2 : WARNING is not a word that starts this line
[    0.200000] NMI watchdog: Enabled. Permanently consumes one hw-PMU counter.
[    1.200000] md-p2p: loading out-of-tree module taints kernel.
[    1.300000] md/raid1:md0: active with 2 out of 2 mirrors
[    2.000000] nvme nvme0: added peer-to-peer DMA memory 0xfe000000-0xfeffffff
[    2.100000] DMAR: IOMMU enabled
[    3.000000] debugfs: it is fine
";

    #[test]
    fn a_clean_boot_is_clean() {
        assert_eq!(complaints(CLEAN), Vec::<&str>::new());
        assert_eq!(panic(CLEAN), None);
    }

    #[test]
    fn a_breakpoint_is_stale_only_before_the_first_program() {
        let init = "[    4.1] Run /init as init process\r\n";
        let int3 = "[    5.0] Oops: int3: 0000 [#1] SMP NOPTI\r\n";
        let panic = "[    5.1] Kernel panic - not syncing: Fatal exception in interrupt\r\n";
        assert!(stale_breakpoint(&format!("{CLEAN}{int3}{panic}")));
        assert!(!stale_breakpoint(&format!("{CLEAN}{init}{int3}{panic}")));
        assert!(!stale_breakpoint(&format!("{CLEAN}{panic}")));
        assert!(!stale_breakpoint(&format!("{CLEAN}{int3}")));
    }

    #[test]
    fn every_kind_of_complaint_is_found() {
        for line in [
            "[    5.1] WARNING: drivers/md/md.c:123 at md_stop+0x1/0x2, CPU#1: mdadm/99",
            "[    5.1][  T99] WARNING: possible circular locking dependency detected",
            "[    5.1] BUG: kernel NULL pointer dereference, address: 0000000000000008",
            "[    5.1] BUG kmalloc-64 (Tainted: G           O       ): Object remaining on __kmem_cache_shutdown()",
            "[    5.1] kernel BUG at drivers/md/raid1.c:10!",
            "[    5.1] Oops: 0000 [#1] SMP NOPTI",
            "[    5.1] turning off the locking correctness validator.",
            "[    5.1] Oops: general protection fault, probably for non-canonical address 0xdead: 0000 [#1]",
            "[   65.1] INFO: task mdadm:99 blocked for more than 60 seconds.",
            "[   65.1] INFO: possible recursive locking detected",
            "[   65.1] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
            "[   65.1] watchdog: BUG: soft lockup - CPU#0 stuck for 62s! [md0_raid5:99]",
            "[    5.1] Call Trace:",
            "[    5.1] UBSAN: array-index-out-of-bounds in drivers/md/raid10.c:1:2",
            "[    5.1] refcount_t: underflow; use-after-free.",
            "[    5.1] list_del corruption. prev->next should be x, but was y.",
            "[    5.1] sysfs: cannot create duplicate filename '/devices/virtual/workqueue/raid5wq'",
            "[    5.1] ------------[ cut here ]------------",
            "[    5.1] DMAR: [DMA Write NO_PASID] Request device [03:00.0] fault addr 0xfffff000",
            "** 12 printk messages dropped **",
        ] {
            assert_eq!(complaints(&format!("{CLEAN}{line}\r\n")), [line], "{line}");
        }
    }

    #[test]
    fn a_panic_is_found() {
        let line = "[    5.1] Kernel panic - not syncing: Fatal exception";
        assert_eq!(panic(&format!("{CLEAN}{line}\r\n")), Some(line));
    }
}
