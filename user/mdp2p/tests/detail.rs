// SPDX-License-Identifier: GPL-2.0
//! `mdp2p detail`, for the arrays of `trees/arrays.tree`.

mod common;

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;

fn detail(root: &Path, array: &str) -> Command {
    let mut command = Command::cargo_bin("mdp2p").expect("the program");
    command.arg("--sysroot").arg(root).arg("detail").arg(array);
    command
}

fn output(command: &mut Command) -> String {
    let output = command.assert().success().get_output().stdout.clone();
    String::from_utf8(output).expect("UTF-8")
}

/// Returns the JSON output, after a check against the schema.
fn json(root: &Path, array: &str) -> Value {
    let value = serde_json::from_str(&output(detail(root, array).arg("--json"))).expect("JSON");
    let schema = include_str!("../schema/detail.json");
    let schema = serde_json::from_str(schema).expect("a schema");
    jsonschema::validate(&schema, &value).unwrap_or_else(|error| panic!("{error}: {value:#}"));
    value
}

#[test]
fn everything_about_an_array_is_shown() {
    let root = common::plant("arrays");
    insta::assert_snapshot!(output(&mut detail(root.path(), "md0")), @r"
    md0 (data)
    Driver     md-p2p
    Level      raid10
    Members    3/4 degraded
    Size       32 MiB
    Chunk      512 KiB
    Metadata   1.2
    State      active

    PEER-TO-PEER DMA
    State      staged
    Reason     nvme3n1 does not reach 0000:03:00.0
               nvme3n1 does not reach 0000:04:00.0
    Policy     auto: what cannot be direct is staged
    Provider   0000:04:00.0; set to auto

    REBUILD
    Action     recover
    Done       36 %, 5.9 MiB of 16 MiB
    Speed      1.5 MiB/s
    Time left  6 s

    PEER I/O    READ  I/OS   WRITE  I/OS
    direct    16 MiB   256  12 MiB    24
    staged     1 MiB     4   1 MiB     5
    Refused    3 I/Os
    Rebuilt    40 MiB from peer memory, 64 KiB from host memory

    MEMBER   SLOT  STATE    CONTROLLER    DMA READ  DMA WRITE
    nvme0n1     0  in_sync  0000:03:00.0     6 MiB      5 MiB
    nvme1n1     1  in_sync  0000:04:00.0     5 MiB      5 MiB
    nvme2n1     2  in_sync  0000:05:00.0     5 MiB      2 MiB
    nvme3n1     3  spare    0000:06:00.0         0          0

    DISTANCE TO  0000:03:00.0  0000:04:00.0
    nvme0n1                 0             4
    nvme1n1                 4             0
    nvme2n1                 4             4
    nvme3n1       unreachable   unreachable
    ");
}

#[test]
fn an_array_that_is_well_has_no_more_to_say() {
    let root = common::plant("arrays");
    let text = output(&mut detail(root.path(), "md1"));
    assert!(text.contains("State      direct\n"), "{text}");
    assert!(
        text.contains("every member reaches every provider"),
        "{text}"
    );
    assert!(
        text.contains("direct: what cannot be direct is refused"),
        "{text}"
    );
    assert!(text.contains("in_sync, write_mostly"), "{text}");
    assert!(
        !text.contains("REBUILD") && !text.contains("Chunk"),
        "{text}"
    );
}

#[test]
fn of_the_kernels_own_it_says_how_to_bring_it_over() {
    let root = common::plant("arrays");
    insta::assert_snapshot!(output(&mut detail(root.path(), "md127")), @r"
    md127 (old)
    Driver     the kernel's own md
    Level      raid5
    Members    2/3 degraded
    Size       3.6 TiB
    Chunk      512 KiB
    Metadata   1.2
    State      clean

    REBUILD
    Action     frozen

    MEMBER  SLOT  STATE    CONTROLLER
    sda        0  in_sync  no PCI device
    sdb        1  in_sync  no PCI device
    sdc        -  faulty   no PCI device

    The kernel's own md drives this array, not md-p2p. Peer-to-peer DMA is up to the
    kernel then, and is not counted. md-p2p can run the array with its data as they
    are. When the array is not in use:
      mdadm --stop /dev/md127
      mdp2p assemble /dev/md127 /dev/sda /dev/sdb
    ");
}

#[test]
fn no_line_is_wider_than_80_columns() {
    let root = common::plant("arrays");
    let distances = |n: u32| {
        format!(
            "0000:{:02x}:00.0 {}\n",
            n,
            if n % 3 == 0 {
                "unreachable".into()
            } else {
                n.to_string()
            }
        )
    };
    let distances: String = (1..20).map(distances).collect();
    for member in ["nvme0n1", "nvme3n1"] {
        let path = format!("sys/block/md0/md/dev-{member}/p2pdma_distance");
        common::put(root.path(), &path, &distances);
    }
    for array in ["md0", "md1", "md127"] {
        let text = output(&mut detail(root.path(), array));
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}\n{text}");
        }
    }
    let text = output(&mut detail(root.path(), "md0"));
    assert!(text.contains("0000:13:00.0"), "{text}");
}

#[test]
fn without_providers_it_says_so() {
    let root = common::plant("arrays");
    for member in 0..4 {
        let path = format!("sys/block/md0/md/dev-nvme{member}n1/p2pdma_distance");
        common::put(root.path(), &path, "");
    }
    let text = output(&mut detail(root.path(), "md0"));
    assert!(text.contains("there is no provider"), "{text}");
}

#[test]
fn an_array_goes_by_all_of_its_names() {
    let root = common::plant("arrays");
    for name in ["md0", "/dev/md0", "/dev/md/data", "data"] {
        let value = json(root.path(), name);
        assert_eq!(value["array"]["name"], "md0");
        assert_eq!(
            value["array"]["members"][3]["p2p"]["distances"][0]["distance"],
            Value::Null
        );
    }
    for name in ["md1", "md127"] {
        json(root.path(), name);
    }
}

#[test]
fn an_array_is_the_same_in_a_list() {
    let definitions = |schema| {
        let schema: Value = serde_json::from_str(schema).expect("a schema");
        schema["$defs"].clone()
    };
    let list = definitions(include_str!("../schema/list.json"));
    assert_eq!(definitions(include_str!("../schema/detail.json")), list);
    assert!(list.is_object());
}

#[test]
fn an_array_that_is_not_there_is_an_error_that_names_those_that_are() {
    let root = common::plant("arrays");
    for name in ["md7", "/dev/sda", "", "../block/md0"] {
        detail(root.path(), name)
            .assert()
            .code(1)
            .stdout("")
            .stderr(contains("there is no array").and(contains("md0, md1, md127")));
    }
}

#[test]
fn garbage_is_an_error_that_names_the_file() {
    let root = common::plant("arrays");
    for (file, content) in [
        ("p2pdma_read_direct_ios", "1e3"),
        ("p2pdma_provider", "nobody"),
        ("dev-nvme1n1/p2pdma_distance", "far away"),
        ("dev-nvme1n1/slot", "first"),
        ("sync_completed", "1 / many"),
    ] {
        let root = common::plant("arrays");
        common::put(root.path(), &format!("sys/block/md0/md/{file}"), content);
        for arguments in [&[][..], &["--json"]] {
            detail(root.path(), "md0")
                .args(arguments)
                .assert()
                .code(1)
                .stdout("")
                .stderr(contains(format!("md/{file}: `")).and(contains("cannot be understood")));
        }
    }
    detail(root.path(), "md0").assert().success();
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
            .args(["detail", "md0"])
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
    let root = common::plant("arrays");
    detail(root.path(), "--help")
        .assert()
        .success()
        .stdout(contains("Examples:"));
    detail(root.path(), "--nonsense")
        .assert()
        .code(2)
        .stderr(contains("--nonsense"));
    detail(root.path(), "md0")
        .arg("md1")
        .assert()
        .code(2)
        .stderr(contains("md1"));
    detail(root.path(), "--json")
        .assert()
        .code(2)
        .stderr(contains("<ARRAY>"));
}
