// SPDX-License-Identifier: GPL-2.0
//! `mdp2p policy` and `mdp2p provider`: what they show, and what they refuse.

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

const MD: &str = "sys/devices/virtual/block/md0/md";

#[test]
fn a_setting_is_shown_in_one_word() {
    let root = plant("iommu");
    for (file, content, words, shown) in [
        ("p2pdma_policy", "direct\n", ["policy", "md0"], "direct\n"),
        (
            "p2pdma_provider",
            "none (auto)\n",
            ["provider", "/dev/md0"],
            "auto\n",
        ),
        (
            "p2pdma_provider",
            "none (0000:04:00.0)\n",
            ["provider", "data"],
            "0000:04:00.0\n",
        ),
        (
            "p2pdma_provider",
            "0000:04:00.0\n",
            ["provider", "/dev/md/data"],
            "0000:04:00.0\n",
        ),
        ("p2pdma_provider", "none\n", ["provider", "md0"], "none\n"),
    ] {
        put(root.path(), &format!("{MD}/{file}"), content);
        at(&root).args(words).assert().success().stdout(shown);
    }
    put(root.path(), &format!("{MD}/p2pdma_provider"), "garbage\n");
    at(&root)
        .args(["provider", "md0"])
        .assert()
        .code(1)
        .stderr(contains("p2pdma_provider: `garbage` cannot be understood"));
}

#[test]
fn a_dry_run_looks_whether_there_is_such_a_provider() {
    let root = plant("iommu");
    // No such device, and a device without p2pmem.
    for address in ["0000:99:00.0", "0000:00:00.0"] {
        at(&root)
            .args(["provider", "md0", address, "--dry-run"])
            .assert()
            .code(1)
            .stdout("")
            .stderr(contains(format!("{address} lends no memory")));
    }
    for word in ["auto", "none"] {
        let mut command = at(&root);
        command.args(["provider", "md0", word, "--dry-run"]);
        command.assert().success();
    }
}

#[test]
fn a_dry_run_says_what_would_be_written_and_writes_nothing() {
    let root = plant("iommu");
    let file = root.path().join(MD).join("p2pdma_policy");
    let before = std::fs::read_to_string(&file).expect("a policy");
    at(&root)
        .args(["policy", "data", "off", "--dry-run"])
        .assert()
        .success()
        .stdout("echo off >/sys/block/md0/md/p2pdma_policy    # now auto\n");
    at(&root)
        .args(["provider", "md0", "04:00.0", "--dry-run"])
        .assert()
        .success()
        .stdout(contains(
            "echo 0000:04:00.0 >/sys/block/md0/md/p2pdma_provider",
        ));
    assert_eq!(std::fs::read_to_string(&file).expect("a policy"), before);
    at(&root)
        .args(["policy", "md0", "off"])
        .assert()
        .code(1)
        .stderr(contains("leave --sysroot out"));
    assert_eq!(std::fs::read_to_string(&file).expect("a policy"), before);
}

#[test]
fn arrays_of_the_kernels_md_have_no_such_setting() {
    let root = plant("iommu");
    put(root.path(), "sys/block/md1/md/array_state", "clean\n");
    for verb in ["policy", "provider"] {
        at(&root)
            .args([verb, "md1"])
            .assert()
            .code(1)
            .stdout("")
            .stderr(contains("md1 is an array of the kernel's md"));
        at(&root)
            .args([verb, "md9"])
            .assert()
            .code(1)
            .stderr(contains("the running arrays are md0, md1"));
    }
}

#[test]
fn who_is_not_root_is_told_so() {
    for words in [["policy", "md0", "off"], ["provider", "md0", "none"]] {
        let (_folder, mut command) = nobody::mdp2p();
        command
            .args(words)
            .assert()
            .code(1)
            .stderr(contains("only root can change an array"));
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    for words in [
        &["policy"][..],
        &["provider"],
        &["policy", "md0", "maybe"],
        &["provider", "md0", "nvme0"],
        &["provider", "md0", "none", "more"],
        &["policy", "md0", "--nonsense"],
    ] {
        let mut command = assert_cmd::Command::new(assert_cmd::cargo::cargo_bin!("mdp2p"));
        command.args(words).assert().code(2).stdout("");
    }
}
