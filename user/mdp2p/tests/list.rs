// SPDX-License-Identifier: GPL-2.0
//! `mdp2p list`, for two arrays of md-p2p and one of the kernel's md, from `trees/arrays.tree`.

mod common;

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;

fn list(root: &Path) -> Command {
    let mut command = Command::cargo_bin("mdp2p").expect("the program");
    command.arg("--sysroot").arg(root).arg("list");
    command
}

fn output(command: &mut Command) -> String {
    let output = command.assert().success().get_output().stdout.clone();
    String::from_utf8(output).expect("UTF-8")
}

/// Returns the JSON output, after a check against the schema.
fn json(root: &Path) -> Value {
    let value = serde_json::from_str(&output(list(root).arg("--json"))).expect("JSON");
    let schema = include_str!("../schema/list.json");
    let schema = serde_json::from_str(schema).expect("a schema");
    jsonschema::validate(&schema, &value).unwrap_or_else(|error| panic!("{error}: {value:#}"));
    value
}

#[test]
fn each_array_is_a_row_and_has_a_reason_if_it_is_not_direct() {
    let root = common::plant("arrays");
    insta::assert_snapshot!(output(&mut list(root.path())), @r"
    ARRAY  LEVEL      SIZE  MEMBERS       STATE   P2P     PROVIDER      REBUILD
    md0    raid10   32 MiB  3/4 degraded  active  staged  0000:04:00.0  recover 36 %
      nvme3n1 does not reach 0000:03:00.0
    md1    raid1    16 MiB  2/2           clean   direct
    md127  raid5   3.6 TiB  2/3 degraded  clean   md                    frozen

    md: driven by the kernel's own md, not by md-p2p; see mdp2p detail ARRAY
    ");
}

#[test]
fn no_line_is_wider_than_80_columns() {
    let root = common::plant("arrays");
    let md = "sys/block/md0/md";
    let long = "a reason without end ".repeat(9);
    common::put(root.path(), &format!("{md}/p2pdma_reason"), &long);
    common::put(root.path(), &format!("{md}/array_state"), "write-pending\n");
    common::put(root.path(), &format!("{md}/sync_action"), "reshape\n");
    let text = output(&mut list(root.path()));
    let widths = text.lines().map(|line| line.chars().count());
    assert!(widths.clone().all(|width| width <= 80), "{text}");
    // The reason is cut, and fills its line.
    assert_eq!(widths.max(), Some(80), "{text}");
    assert!(
        text.contains('…') && text.contains("reshape 36 %"),
        "{text}"
    );
    // The provider column is left out.
    assert!(!text.contains("PROVIDER"), "{text}");
}

#[test]
fn json_has_all_of_them() {
    let root = common::plant("arrays");
    let value = json(root.path());
    let names = value["arrays"].as_array().expect("a list");
    let names: Vec<_> = names.iter().map(|array| &array["name"]).collect();
    assert_eq!(names, ["md0", "md1", "md127"]);
    assert_eq!(value["arrays"][0]["p2p"]["state"], "staged");
    assert_eq!(value["arrays"][2]["p2p"], Value::Null);
}

#[test]
fn a_container_is_no_inactive_array() {
    let root = common::plant("machines/08-vmd-switch-mpath-vroc");
    let text = output(&mut list(root.path()));
    assert!(
        text.contains("md127  container      -  4        -      md\n"),
        "{text}"
    );
    assert!(
        text.contains("md126  raid5      3 TiB  4/4      clean  md\n"),
        "{text}"
    );
}

#[test]
fn a_drive_in_a_container_is_no_spare() {
    let root = common::plant("machines/08-vmd-switch-mpath-vroc");
    let mut command = Command::cargo_bin("mdp2p").expect("the program");
    command.arg("--sysroot").arg(root.path()).arg("topology");
    let text = output(&mut command);
    assert!(text.contains("md126  container md127"), "{text}");
    assert!(!text.contains("spare"), "{text}");
}

#[test]
fn without_arrays_it_says_so() {
    let root = tempfile::tempdir().expect("a folder");
    fs::create_dir(root.path().join("sys")).expect("sys");
    // Nobody knows what was not captured.
    let why = contains("sys/block is not among the files of this machine");
    list(root.path()).assert().code(1).stdout("").stderr(why);
    fs::create_dir(root.path().join("sys/block")).expect("block devices");
    assert_eq!(output(&mut list(root.path())), "No arrays.\n");
    assert_eq!(json(root.path())["arrays"], Value::Array(Vec::new()));
}

/// The link to a device may be captured without the device. A disk is then of no interest here.
#[test]
fn an_array_that_was_not_captured_is_named() {
    let root = tempfile::tempdir().expect("a folder");
    let folder = root.path().join("sys/block");
    fs::create_dir_all(&folder).expect("block devices");
    let link = |name: &str| {
        let target = format!("../devices/virtual/block/{name}");
        std::os::unix::fs::symlink(target, folder.join(name)).expect("a link");
    };
    link("sda");
    assert_eq!(output(&mut list(root.path())), "No arrays.\n");
    link("md0");
    let why = contains("sys/block/md0 is not among the files of this machine");
    let told = list(root.path()).assert().code(1).stderr(why);
    told.stdout("No array could be read.\n");
}

#[test]
fn garbage_costs_its_array_and_names_the_file() {
    let root = common::plant("arrays");
    common::put(root.path(), "sys/block/md1/md/degraded", "two\n");
    for arguments in [&[][..], &["--json"]] {
        list(root.path())
            .args(arguments)
            .assert()
            .code(1)
            .stdout(contains("md127").and(contains("md1 ").or(contains("\"md1\"")).not()))
            .stderr(contains(
                "sys/block/md1/md/degraded: `two` cannot be understood",
            ));
    }
}

#[test]
fn a_pipe_that_nobody_reads_is_no_error() {
    let root = common::plant("arrays");
    for json in [&[][..], &["--json"]] {
        let (reader, writer) = UnixStream::pair().expect("a pipe");
        drop(reader);
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_mdp2p"))
            .arg("--sysroot")
            .arg(root.path())
            .args(["list"])
            .args(json)
            .stdout(OwnedFd::from(writer))
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}

#[test]
fn usage_is_explained() {
    let root = tempfile::tempdir().expect("a folder");
    list(root.path())
        .arg("--help")
        .assert()
        .success()
        .stdout(contains("Print JSON"));
    for wrong in ["--nonsense", "md0"] {
        list(root.path())
            .arg(wrong)
            .assert()
            .code(2)
            .stderr(contains(wrong));
    }
    // The folder `sys` is missing.
    list(root.path())
        .assert()
        .code(1)
        .stderr(contains("no folder `sys`"));
}
