// SPDX-License-Identifier: GPL-2.0
//! `mdp2p assemble` and `mdp2p stop`, as far as they go without mdadm.

mod common;
#[path = "common/nobody.rs"]
mod nobody;

use common::{plant, put};
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
    put(root.path(), "sys/block/md1/md/array_state", "clean\n");
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
            "nvme2n1",
            "nvme3n1",
            "--",
            "--name",
            "a b",
        ])
        .assert()
        .success()
        .stdout("mdadm --assemble /dev/md/backup --name 'a b' /dev/nvme2n1 /dev/nvme3n1\n");
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
        .stderr(contains("`mdadm --stop /dev/md1`; nothing was stopped"));
    at(&root)
        .args(["assemble", "--dry-run", "/dev/md1"])
        .assert()
        .code(1)
        .stdout("")
        .stderr(contains("/dev/md1 is an array of the kernel's md"));
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
