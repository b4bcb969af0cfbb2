// SPDX-License-Identifier: GPL-2.0
//! `mdp2p enroll` and `mdp2p release`, as far as they go without changing anything.

mod common;

use std::fs;

use common::{plant, put};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use tempfile::TempDir;

const FOLDER: &str = "etc/md-p2p/enrolled";
const OTHER: &str = "00000000-0000-0000-0000-000000000001";

fn at(root: &TempDir) -> assert_cmd::Command {
    let mut command = assert_cmd::Command::new(assert_cmd::cargo::cargo_bin!("mdp2p"));
    command.arg("--sysroot").arg(root.path());
    command
}

/// Makes a machine with an array of md-p2p, md0 or data, and with udev's rules.
fn machine() -> TempDir {
    let root = plant("split");
    put(root.path(), "usr/lib/udev/rules.d/63-md-raid-p2p.rules", "");
    root
}

/// Returns the UUID of md0, as the kernel writes it.
fn uuid(root: &TempDir) -> String {
    let text = fs::read_to_string(root.path().join("sys/block/md0/md/uuid"));
    text.expect("a UUID").trim().to_owned()
}

fn enrolled(root: &TempDir, uuid: &str, text: &str) {
    put(root.path(), &format!("{FOLDER}/{uuid}"), text);
}

#[test]
fn what_would_be_written_is_shown() {
    // md0 is also /dev/md/data, so it gets a number that mdadm never chooses.
    let root = machine();
    let uuid = uuid(&root);
    let words: Vec<&str> = uuid.split('-').collect();
    let words = words.concat();
    let of_mdadm = [0, 8, 16, 24].map(|at| &words[at..at + 8]).join(":");
    at(&root)
        .args(["enroll", "--dry-run", "data"])
        .assert()
        .success()
        .stdout(contains(format!("/{FOLDER}/{uuid}\n")))
        .stdout(contains(format!(
            "\nMD_P2P_NUMBER=128\nMD_UUID={of_mdadm}\nMD_DEVNAME=data\n"
        )))
        .stdout(contains(
            "md0 would be md-p2p's after each boot, as /dev/md/data\n",
        ));
    assert!(!root.path().join("etc").exists());
    // An array without a name is known by its number.
    fs::remove_file(root.path().join("dev/md/data")).expect("its link");
    at(&root)
        .args(["enroll", "--dry-run", "/dev/md0"])
        .assert()
        .success()
        .stdout(contains("MD_P2P_NUMBER=0\n").and(contains("MD_DEVNAME").not()))
        .stdout(contains("as /dev/md0\n"));
}

/// What mdadm would not assemble again must not be waited for at the next boot.
#[test]
fn an_array_that_would_not_come_up_is_not_enrolled() {
    for (file, text, why) in [
        ("consistency_policy", "journal", "has lost its journal"),
        ("bitmap/metadata", "clustered", "belongs to a cluster"),
        ("bitmap/location", "file", "has its bitmap in a file"),
    ] {
        let root = machine();
        put(root.path(), &format!("sys/block/md0/md/{file}"), text);
        let enroll = at(&root).args(["enroll", "--dry-run", "md0"]).assert();
        enroll
            .code(1)
            .stdout("")
            .stderr(contains(why).and(contains("Nothing was changed")));
    }
}

#[test]
fn a_name_that_udev_would_take_for_two_is_none() {
    let root = machine();
    fs::remove_file(root.path().join("dev/md/data")).expect("its link");
    std::os::unix::fs::symlink("../md0", root.path().join("dev/md/a b")).expect("a link");
    at(&root)
        .args(["enroll", "--dry-run", "md0"])
        .assert()
        .success()
        .stdout(contains("MD_P2P_NUMBER=0\n").and(contains("a b").not()));
}

#[test]
fn an_array_without_a_number_is_enrolled_by_a_plain_name_only() {
    let root = machine();
    fs::remove_file(root.path().join("dev/md/data")).expect("its link");
    let blocks = root.path().join("sys/block");
    let mut now = "md0".to_owned();
    let mut rename = |name: &str| {
        fs::rename(blocks.join(&now), blocks.join(name)).expect("its link");
        now = name.to_owned();
    };
    rename("md_home");
    let enroll = |name: &str| {
        let mut command = at(&root);
        command.args(["enroll", "--dry-run", name]);
        command.assert()
    };
    enroll("md_home")
        .success()
        .stdout(contains("MD_DEVNAME=home\n"));
    // udev would take these for two lines, for a folder, or for nothing.
    for name in [
        "md_x\nSYSTEMD_WANTS=evil.service",
        "md_..",
        "md_.",
        "md_",
        "md_a b",
    ] {
        rename(name);
        enroll(name).code(1).stdout("").stderr(
            contains("has neither a number nor a name").and(contains("nothing was changed")),
        );
    }
}

#[test]
fn a_number_that_mdadm_chose_is_not_kept_and_one_by_which_udev_calls_it_is() {
    let root = machine();
    let rename = |from: &str, to: &str| {
        let blocks = root.path().join("sys/block");
        fs::rename(blocks.join(from), blocks.join(to)).expect("its link");
    };
    fs::remove_file(root.path().join("dev/md/data")).expect("its link");
    std::os::unix::fs::symlink("../md0", root.path().join("dev/md/0")).expect("a link");
    at(&root)
        .args(["enroll", "--dry-run", "md0"])
        .assert()
        .success()
        .stdout(contains("MD_P2P_NUMBER=0\n").and(contains("MD_DEVNAME").not()));
    rename("md0", "md127");
    at(&root)
        .args(["enroll", "--dry-run", "md127"])
        .assert()
        .success()
        .stdout(contains("MD_P2P_NUMBER=128\n").and(contains("as /dev/md128\n")));
    rename("md127", "md200");
    at(&root)
        .args(["enroll", "--dry-run", "md200"])
        .assert()
        .success()
        .stdout(contains("MD_P2P_NUMBER=200\n"));
}

#[test]
fn no_two_are_called_the_same() {
    let root = machine();
    enrolled(&root, OTHER, "MD_P2P_NUMBER=128\nMD_DEVNAME=other\n");
    at(&root)
        .args(["enroll", "--dry-run", "md0"])
        .assert()
        .success()
        .stdout(contains("MD_P2P_NUMBER=129\n"));
    enrolled(&root, OTHER, "MD_P2P_NUMBER=128\nMD_DEVNAME=data\n");
    at(&root)
        .args(["enroll", "--dry-run", "md0"])
        .assert()
        .code(1)
        .stdout("")
        .stderr(contains(format!(
            "the enrolled array {OTHER} already has the name /dev/md/data"
        )));
}

#[test]
fn what_would_not_come_up_is_refused() {
    let root = plant("split");
    at(&root)
        .args(["enroll", "--dry-run", "md0"])
        .assert()
        .code(1)
        .stdout("")
        .stderr(contains("udev has no rules for enrolled arrays"));
    let root = machine();
    put(root.path(), "sys/block/md0/md/level", "faulty\n");
    at(&root)
        .args(["enroll", "--dry-run", "md0"])
        .assert()
        .code(1)
        .stderr(contains(
            "the level \"faulty\", which md-p2p does not support",
        ));
    put(root.path(), "sys/block/md0/md/level", "raid10\n");
    put(root.path(), "sys/block/md0/md/metadata_version", "0.90\n");
    at(&root)
        .args(["enroll", "--dry-run", "md0"])
        .assert()
        .code(1)
        .stdout("")
        .stderr(contains("md0 has a superblock of version 0.90"));
    for text in ["external:/md127/0\n", "external:ddf\n"] {
        put(root.path(), "sys/block/md0/md/metadata_version", text);
        at(&root)
            .args(["enroll", "--dry-run", "md0"])
            .assert()
            .code(1)
            .stdout("")
            .stderr(contains("md0 has external metadata"));
    }
    put(root.path(), "sys/block/md0/md/metadata_version", "1.2\n");
    put(root.path(), "sys/block/md0/md/uuid", "\n");
    at(&root)
        .args(["enroll", "--dry-run", "md0"])
        .assert()
        .code(1)
        .stderr(contains("md0 has no UUID in sysfs; is it running?"));
}

#[test]
fn the_list_tells_whose_they_are_now() {
    let schema = serde_json::from_str(include_str!("../schema/enroll.json")).expect("a schema");
    let json = |root: &TempDir| -> Value {
        let output = at(root).args(["enroll", "--json"]).output().expect("mdp2p");
        let value = serde_json::from_slice(&output.stdout).expect("JSON");
        jsonschema::validate(&schema, &value).unwrap_or_else(|error| panic!("{error}: {value:#}"));
        value["enrolled"].clone()
    };
    let root = machine();
    at(&root)
        .arg("enroll")
        .assert()
        .success()
        .stdout("no array is enrolled\n");
    assert_eq!(json(&root), Value::Array(Vec::new()));

    let uuid = uuid(&root);
    enrolled(&root, OTHER, "MD_P2P_NUMBER=7\n");
    enrolled(&root, &uuid, "MD_P2P_NUMBER=128\nMD_DEVNAME=data\n");
    // An editor may have left this file.
    enrolled(&root, "README", "?");
    let table = format!(
        "ENROLLED      UUID                                  ARRAY        DRIVER\n\
         /dev/md7      {OTHER}  not running  -\n\
         /dev/md/data  {uuid}  md0          md-p2p\n"
    );
    at(&root).arg("enroll").assert().success().stdout(table);
    let rows = json(&root);
    assert_eq!(rows[0]["array"], Value::Null);
    assert_eq!(rows[1]["driver"], "md-p2p");
    at(&root)
        .args(["enroll", "--dry-run", "md0"])
        .assert()
        .success()
        .stdout("md0 is enrolled, as /dev/md/data\n");
}

#[test]
fn one_is_released_by_any_of_its_names() {
    let root = machine();
    let uuid = uuid(&root);
    enrolled(&root, OTHER, "MD_P2P_NUMBER=7\n");
    enrolled(&root, &uuid, "MD_P2P_NUMBER=128\nMD_DEVNAME=data\n");
    let removes = |wanted: &str, uuid: &str| {
        at(&root)
            .args(["release", "--dry-run", wanted])
            .assert()
            .success()
            .stdout(contains(format!("/{FOLDER}/{uuid}\n")).count(1));
    };
    for wanted in ["md0", "/dev/md0", "data", "/dev/md/data", uuid.as_str()] {
        removes(wanted, &uuid);
    }
    for wanted in ["md7", "/dev/md7", OTHER] {
        removes(wanted, OTHER);
    }
    at(&root)
        .args(["release", "--dry-run", "--all"])
        .assert()
        .success()
        .stdout(contains(FOLDER).count(2))
        .stdout(contains(
            "/dev/md/data would be the kernel's md's when it is next assembled\n",
        ));
    at(&root)
        .args(["release", "--dry-run", "md9"])
        .assert()
        .code(1)
        .stdout("")
        .stderr(contains(
            "md9 is not enrolled; the enrolled arrays are /dev/md7, /dev/md/data",
        ));
    assert!(root.path().join(FOLDER).join(&uuid).exists());
    // An array whose file cannot be understood can still be released.
    enrolled(&root, OTHER, "?");
    removes(OTHER, OTHER);
    removes("md0", &uuid);
}

#[test]
fn garbage_is_named_with_its_file() {
    let root = machine();
    enrolled(&root, OTHER, "MD_P2P_NUMBER=many\n");
    for arguments in [&["enroll"][..], &["enroll", "--dry-run", "md0"]] {
        at(&root)
            .args(arguments)
            .assert()
            .code(1)
            .stdout("")
            .stderr(contains(OTHER).and(contains("expected MD_P2P_NUMBER=0 to 1048575")));
    }
    enrolled(&root, OTHER, "MD_P2P_NUMBER=1\nMD_DEVNAME=../sda\n");
    at(&root)
        .arg("enroll")
        .assert()
        .code(1)
        .stderr(contains("expected MD_DEVNAME="));
}
