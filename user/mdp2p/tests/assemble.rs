// SPDX-License-Identifier: GPL-2.0
//! `mdp2p assemble` and `mdp2p stop`, as far as they go without mdadm.

mod common;
#[path = "common/nobody.rs"]
mod nobody;

use common::{plant, put};
use predicates::prelude::*;
use predicates::str::contains;
use tempfile::TempDir;

fn at(root: &TempDir) -> assert_cmd::Command {
    let mut command = assert_cmd::Command::new(assert_cmd::cargo::cargo_bin!("mdp2p"));
    command.arg("--sysroot").arg(root.path());
    command
}

/// Makes a machine with an array of md-p2p, md0 or data, and with md1, which is the kernel's.
fn machine() -> TempDir {
    let root = plant("iommu");
    for (file, text) in [
        ("array_state", "clean\n"),
        ("level", "raid1\n"),
        ("metadata_version", "1.2\n"),
        ("dev-sda/state", "in_sync\n"),
        ("sync_action", "idle"),
    ] {
        put(root.path(), &format!("sys/block/md1/md/{file}"), text);
    }
    for (disk, number) in [("sdx", "8:16\n"), ("sdy", "8:32\n"), ("sda", "8:0\n")] {
        let folder = format!("sys/class/block/{disk}");
        put(root.path(), &format!("{folder}/dev"), number);
        put(root.path(), &format!("{folder}/size"), "131072\n");
    }
    root
}

#[test]
fn the_exact_command_is_shown_and_not_run() {
    let root = machine();
    at(&root)
        .args([
            "assemble",
            "--dry-run",
            "backup",
            "sdx",
            "sdy",
            "--",
            "--name",
            "a b",
        ])
        .assert()
        .success()
        .stdout("mdadm --assemble /dev/md/backup --name 'a b' /dev/sdx /dev/sdy\n");
    // The same array twice, by two names.
    at(&root)
        .args(["stop", "--dry-run", "data", "/dev/md0"])
        .assert()
        .success()
        .stdout("mdadm --stop /dev/md0\n");
}

#[test]
fn arrays_of_the_kernels_md_are_left_alone() {
    let root = machine();
    at(&root)
        .args(["stop", "--dry-run", "md0", "md1"])
        .assert()
        .code(1)
        .stdout("")
        .stderr(contains(
            "When nothing uses it: `mdadm --stop /dev/md1`, then `mdp2p assemble /dev/md1 \
             /dev/sda`; nothing was stopped",
        ));
    at(&root)
        .args(["assemble", "--dry-run", "/dev/md1"])
        .assert()
        .code(1)
        .stdout("")
        .stderr(contains("/dev/md1 is an array of the kernel's md"));
}

#[test]
fn an_array_that_must_not_be_stopped_is_not_advised_to_be() {
    for (tree, array, why) in [
        (
            "machines/17-synology-and-reshape-slots",
            "md2",
            "md2 is being reshaped (48 %): `mdp2p detail md2` says more",
        ),
        (
            "machines/08-vmd-switch-mpath-vroc",
            "/dev/md/Volume0",
            "md126 is a volume of the container md127",
        ),
        (
            "machines/08-vmd-switch-mpath-vroc",
            "md127",
            "md127 is a container of external metadata (imsm)",
        ),
    ] {
        let root = plant(tree);
        for verb in ["stop", "assemble"] {
            at(&root)
                .args([verb, "--dry-run", array])
                .assert()
                .code(1)
                .stdout("")
                .stderr(contains(why).and(contains("mdadm --stop").not()));
        }
    }
}

#[test]
fn a_dry_run_sees_what_uses_an_array() {
    let root = machine();
    let stop = || {
        let mut command = at(&root);
        command.args(["stop", "--dry-run", "md0"]);
        command
    };
    let says = |text: &str| {
        let assert = stop().assert().code(1).stdout("");
        assert.stderr(contains(text.to_owned()));
    };
    let dev = std::fs::read_to_string(root.path().join("sys/block/md0/dev")).expect("a number");
    let mounts = format!(
        "36 1 {} / /srv/my\\040data rw - ext4 /dev/md0 rw\n",
        dev.trim()
    );
    put(root.path(), "proc/self/mountinfo", mounts);
    says("md0 is mounted on /srv/my data, so md0 cannot be stopped: umount '/srv/my data' first");
    put(root.path(), "proc/self/mountinfo", "");

    put(
        root.path(),
        "proc/swaps",
        "Filename\n/dev/md0 partition 1 0 -2\n",
    );
    says("md0 is swap, so md0 cannot be stopped: swapoff /dev/md0 first; nothing was stopped");
    put(root.path(), "proc/swaps", "Filename\n");

    let files = root.path().join("proc/4711/fd");
    std::fs::create_dir_all(&files).expect("a folder");
    put(root.path(), "proc/4711/comm", "fio\n");
    std::os::unix::fs::symlink("/home/md0", files.join("3")).expect("a link");
    stop().assert().success();
    std::os::unix::fs::symlink("/dev/md0", files.join("4")).expect("a link");
    says("md0 cannot be stopped, because programs have it open: fio (4711)");
    std::fs::remove_file(files.join("4")).expect("a link");

    put(root.path(), "sys/class/block/md0/holders/md5", "");
    says("md0 is held by md5, so md0 cannot be stopped: stop md5 first");
    let holder = "sys/class/block/md0/holders/dm-3";
    put(root.path(), holder, "");
    for (uuid, remedy) in [
        ("LVM-1234", "lvchange --activate n /dev/mapper/vg-data"),
        ("CRYPT-LUKS2-12", "cryptsetup close -- vg-data"),
        ("", "dmsetup remove -- vg-data"),
    ] {
        put(root.path(), "sys/class/block/dm-3/dm/name", "vg-data\n");
        put(root.path(), "sys/class/block/dm-3/dm/uuid", uuid);
        says(&format!(
            "md0 is held by dm-3 (vg-data), so md0 cannot be stopped: {remedy} first"
        ));
    }
    std::fs::remove_file(root.path().join(holder)).expect("a holder");
    // It is stopped before.
    put(root.path(), "sys/block/md5/md/p2pdma_state", "direct\n");
    put(root.path(), "sys/class/block/md5/dev", "259:9\n");
    let mut both = at(&root);
    both.args(["stop", "--dry-run", "md5", "md0"]);
    both.assert()
        .success()
        .stdout("mdadm --stop /dev/md5 /dev/md0\n");
}

#[test]
fn a_member_in_use_is_not_assembled() {
    let root = machine();
    for (member, why) in [
        (
            "nvme0n1",
            "nvme0n1 is a member of the array md0; `mdp2p stop md0` frees it",
        ),
        (
            "sda",
            "sda is a member of the array md1; `mdp2p detail md1` says whether and how",
        ),
    ] {
        at(&root)
            .args(["assemble", "--dry-run", "backup", "sdx", member])
            .assert()
            .code(1)
            .stdout("")
            .stderr(contains(why).and(contains("nothing was assembled")));
    }
}

#[test]
fn what_is_not_there_is_named() {
    let root = machine();
    at(&root)
        .args(["stop", "--dry-run", "md5"])
        .assert()
        .code(1)
        .stderr(contains(
            "there is no array md5; the running arrays are md0, md1",
        ));
    at(&root)
        .args(["assemble", "--dry-run", "md5", "nvme9n1"])
        .assert()
        .code(1)
        .stderr(contains("nvme9n1: there is no such device"));
    at(&root)
        .args(["assemble", "--dry-run", "/dev/sda"])
        .assert()
        .code(1)
        .stderr(contains("not a name for an array"));
}

#[test]
fn another_machine_cannot_be_changed() {
    let root = machine();
    for words in [["stop", "md0"], ["assemble", "md5"]] {
        at(&root)
            .args(words)
            .assert()
            .code(1)
            .stderr(contains("leave --sysroot out"));
    }
}

#[test]
fn who_is_not_root_is_told_so_before_anything_is_done() {
    for (words, what) in [
        (["stop", "md5"], "only root can stop arrays"),
        (["assemble", "md5"], "only root can assemble arrays"),
    ] {
        let (_folder, mut command) = nobody::mdp2p();
        command.args(words).assert().code(1).stderr(contains(what));
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    for words in [
        &["stop"][..],
        &["assemble"],
        &["stop", "md0", "--nonsense"],
        &["assemble", "md0", "--nonsense"],
    ] {
        let mut command = assert_cmd::Command::new(assert_cmd::cargo::cargo_bin!("mdp2p"));
        command.args(words).assert().code(2).stdout("");
    }
    for verb in ["stop", "assemble"] {
        let mut command = assert_cmd::Command::new(assert_cmd::cargo::cargo_bin!("mdp2p"));
        let assert = command.args([verb, "--help"]).assert().success();
        assert.stdout(contains("Example"));
    }
}
