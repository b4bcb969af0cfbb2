// SPDX-License-Identifier: GPL-2.0
//! An array and a machine for the tests of this folder.

use mdp2p_machine::md::array::{Array, Driver};
use mdp2p_machine::sysroot::Sysroot;
use mdp2p_machine::testing::put;

pub fn array(bytes: u64, chunk_bytes: u64, raid_disks: u32) -> Array {
    Array {
        name: "md0".into(),
        aliases: Vec::new(),
        driver: Driver::MdP2p,
        level: "raid0".into(),
        raid_disks,
        bytes,
        state: "clean".into(),
        degraded: 0,
        chunk_bytes,
        metadata: "1.2".into(),
        members: Vec::new(),
        is_partial: false,
        rebuild: None,
        p2p: None,
    }
}

/// Returns a machine with md0 (9:0) and its partition md0p1 (259:3).
pub fn machine() -> (tempfile::TempDir, Sysroot) {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |path: &str, text: &str| put(folder.path(), path, text);
    put("sys/block/md0/dev", "9:0\n");
    put("sys/class/block/md0/md0p1/partition", "1\n");
    put("sys/class/block/md0/dev", "9:0\n");
    put("sys/class/block/md0p1/dev", "259:3\n");
    put("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n");
    put("dev/md0", &"\0".repeat(1 << 20));
    let sysroot = Sysroot::at(folder.path()).expect("a host");
    (folder, sysroot)
}

pub fn write(sysroot: &Sysroot, path: &str, text: &str) {
    put(&sysroot.path(""), path, text);
}
