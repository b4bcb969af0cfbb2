// SPDX-License-Identifier: GPL-2.0
//! `mdp2p detail`, for the arrays of `trees/arrays.tree`.

mod common;

use std::fs;
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
fn who_copied_what_was_staged_is_said_if_an_engine_did() {
    let root = common::plant("arrays");
    let file = "sys/block/md0/md/p2pdma_staged_engine_bytes";
    common::put(root.path(), file, "1048576\n");
    let text = output(&mut detail(root.path(), "md0"));
    let line = "Staged     1 MiB by a DMA engine, 1 MiB by the CPU\n";
    assert!(text.contains(line), "{text}");
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
    kernel then, and is not counted. md127 is frozen. A program, such as `mdadm
    --grow`, is at work on it, and that has to end first.
    ");
    common::put(root.path(), "sys/block/md127/md/sync_action", "idle\n");
    let text = output(&mut detail(root.path(), "md127"));
    let advice = "\
md-p2p can run the array with its data as they
are. md127 is degraded (2 of 3 members): an error while it moves could cost
data. What uses md127 was not captured, so look first (lsblk): the running
system may be on it. When the array is not in use:
  mdadm --stop /dev/md127
  mdp2p assemble /dev/md/old /dev/sda /dev/sdb
";
    assert!(text.ends_with(advice), "{text}");
}

/// Returns the last block of `mdp2p detail`, as one line.
fn advice(root: &Path, array: &str) -> String {
    let text = output(&mut detail(root, array));
    let block = text.rsplit("\n\n").next().expect("a block");
    block.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Makes a machine of the kernel's md with a DDF container, md127, and two volumes in it.
fn ddf() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder");
    let mut arrays = vec![("md127", "", "0", "inactive", "external:ddf")];
    arrays.push(("md125", "raid1", "2", "clean", "external:/md127/0"));
    arrays.push(("md9", "raid0", "2", "clean", "external:-md127/1"));
    for (name, level, disks, state, metadata) in arrays {
        let md = format!("sys/block/{name}/md");
        for (file, text) in [
            ("level", level),
            ("raid_disks", disks),
            ("array_state", state),
            ("metadata_version", metadata),
            ("sync_action", "idle"),
            ("dev-sda/state", "in_sync"),
            ("dev-sdb/state", "in_sync"),
        ] {
            common::put(root.path(), &format!("{md}/{file}"), format!("{text}\n"));
        }
    }
    root
}

#[test]
fn a_volume_moves_with_its_container_and_nobody_is_told_to_try() {
    let vroc = common::plant("machines/08-vmd-switch-mpath-vroc");
    let ddf = ddf();
    for (root, arrays, stop) in [
        (&vroc, ["md126", "md127"], "stop md126, then md127;"),
        (&ddf, ["md125", "md127"], "stop md9, md125, then md127;"),
        (&ddf, ["md9", "md127"], "stop md9, md125, then md127;"),
    ] {
        for array in arrays {
            let text = advice(root.path(), array);
            for part in [
                stop,
                "assemble the container from its drives, then the volumes",
                "(mdadm --incremental)",
                "mdmon",
                "never been tried with md-p2p",
            ] {
                assert!(text.contains(part), "{part}: {text}");
            }
            assert!(!text.contains("mdadm --stop"), "{text}");
            assert!(!text.contains("mdp2p assemble"), "{text}");
        }
    }
    for (root, array, what) in [
        (&vroc, "md126", "Level raid5, a volume of container md127"),
        (&vroc, "imsm0", "Level container of md126"),
        (&ddf, "md9", "Level raid0, a volume of container md127"),
        (&ddf, "md127", "Level container of md9, md125"),
    ] {
        let text = output(&mut detail(root.path(), array));
        let words: Vec<&str> = text.split_whitespace().collect();
        assert!(words.join(" ").contains(what), "{text}");
    }
    for root in [&vroc, &ddf] {
        let text = output(&mut detail(root.path(), "md127"));
        assert!(!text.contains("inactive") && !text.contains("none yet"));
    }
}

#[test]
fn nobody_is_told_to_stop_an_array_in_the_midst_of_something() {
    let slots = common::plant("machines/17-synology-and-reshape-slots");
    let text = advice(slots.path(), "md2");
    for part in ["being reshaped (48 %)", "Do not stop it", "backup file"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("--stop") && !text.contains("assemble /dev"));

    let set = |file: &str, text: &str| {
        let root = common::plant("machines/21-raid6-journal-cockpit");
        let array = fs::read_dir(root.path().join("sys/block")).expect("disks");
        let mut names = array.map(|it| it.expect("a disk").file_name().into_string());
        let is_array = |it: &Result<String, _>| it.as_ref().is_ok_and(|it| it.starts_with("md"));
        let name = names.find(is_array).expect("an array").expect("a name");
        common::put(root.path(), &format!("sys/block/{name}/md/{file}"), text);
        advice(root.path(), &name)
    };
    assert!(set("sync_action", "idle\n").contains("mdadm --stop /dev/md"));
    for (file, text, why) in [
        ("sync_action", "reshape", "is being reshaped"),
        // A reshape that was interrupted, or waits.
        ("reshape_position", "4096", "is being reshaped"),
        ("metadata_version", "0.91", "is being reshaped"),
        ("sync_action", "recover", "is being recovered"),
        ("sync_action", "resync", "is being resynced"),
        ("sync_action", "frozen", "is frozen"),
        ("array_state", "inactive", "does not run"),
        ("array_state", "clear", "does not run"),
        ("array_state", "broken", "has lost more members"),
        ("degraded", "3", "has lost more members"),
        ("bitmap/metadata", "clustered", "belongs to a cluster"),
        ("bitmap/location", "file", "has its bitmap in a file"),
        (
            "dev-nvme0n1/state",
            "faulty,journal",
            "has lost its journal",
        ),
        ("metadata_version", "none", "has no superblock"),
        (
            "metadata_version",
            "",
            "does not say what superblock it has",
        ),
        ("level", "faulty", "has the level \"faulty\""),
    ] {
        let said = set(file, &format!("{text}\n"));
        assert!(said.contains(why), "{file} {text}: {said}");
        assert!(!said.contains("--stop"), "{file} {text}: {said}");
        assert!(!said.contains("mdp2p assemble"), "{file} {text}: {said}");
    }
    let root = common::plant("machines/18-names-names");
    let told = |root: &Path| advice(root, "md126");
    assert!(told(root.path()).contains("--stop"));
    fs::remove_file(root.path().join("sys/block/md126/md/sync_action")).expect("a file");
    let said = told(root.path());
    assert!(
        said.contains("may be in a reshape") && !said.contains("--stop"),
        "{said}"
    );
    // A kernel's name is not always that of the node.
    let said = set("dev-cciss!c0d0/state", "in_sync\n");
    assert!(said.contains(" /dev/cciss/c0d0"), "{said}");
    // Nothing is lost if a check does not end.
    let said = set("sync_action", "check\n");
    assert!(said.contains("mdadm --stop /dev/md"), "{said}");
    assert!(said.contains("Its check ends when it is stopped"), "{said}");
}

#[test]
fn what_uses_an_array_has_to_end_before_it_moves() {
    let root = common::plant("machines/18-names-names");
    let number = "9:127\n";
    common::put(root.path(), "sys/block/md127/dev", number);
    common::put(root.path(), "sys/class/block/md127/dev", number);
    let mounted = |at: &str| {
        let line = format!("36 1 9:127 / {at} rw - ext4 /dev/md127 rw\n");
        common::put(root.path(), "proc/self/mountinfo", line);
        advice(root.path(), "md127")
    };
    let said = mounted("/srv");
    assert!(said.contains("md127 is mounted on /srv: end that first."));
    assert!(said.contains("mdadm --stop /dev/md127"), "{said}");
    // These cannot end while the system runs.
    for place in ["/", "/usr", "/var"] {
        let said = mounted(place);
        assert!(said.contains("`mdp2p enroll md127`"), "{place}: {said}");
        assert!(!said.contains("--stop"), "{place}: {said}");
    }
}

/// Root on a logical volume, in an encrypted container, on a partition of an array; swap beside it.
#[test]
fn what_stands_on_an_array_uses_it() {
    let root = common::plant("machines/18-names-names");
    let put = |path: &str, text: &str| common::put(root.path(), path, text);
    put("sys/class/block/md127/dev", "9:127\n");
    put("sys/class/block/md127/md127p1/partition", "1\n");
    put("sys/class/block/md127p1/dev", "259:0\n");
    put("sys/class/block/md127p1/holders/dm-0", "");
    put("sys/class/block/dm-0/dev", "254:0\n");
    put("sys/class/block/dm-0/dm/name", "vault\n");
    for volume in ["dm-1", "dm-2"] {
        put(&format!("sys/class/block/dm-0/holders/{volume}"), "");
    }
    put("sys/class/block/dm-1/dev", "254:1\n");
    put("sys/class/block/dm-2/dev", "254:2\n");
    put(
        "proc/swaps",
        "Filename Type Size Used Priority\n/dev/dm-2 partition 1 0 -2\n",
    );
    let mounted = |at: &str| {
        let line = format!("36 1 254:1 / {at} rw - ext4 /dev/mapper/vg-root rw\n");
        put("proc/self/mountinfo", &line);
        advice(root.path(), "md127")
    };
    let said = mounted("/");
    assert!(said.contains("root filesystem (on dm-1)"), "{said}");
    assert!(!said.contains("--stop"), "{said}");
    // What is built on another ends before it.
    let said = mounted("/srv");
    let order = [
        "dm-1 is mounted on /srv",
        "dm-0 is held by dm-1",
        "dm-2 is swap",
        "dm-0 is held by dm-2",
        "md127p1 is held by dm-0 (vault)",
        "mdadm --stop /dev/md127",
    ];
    let found: Vec<_> = order.iter().map(|words| said.find(words)).collect();
    assert!(found.iter().all(Option::is_some), "{found:?} {said}");
    assert!(found.is_sorted(), "{found:?} {said}");
    // A circle is no machine's, but a tree's may be.
    put("sys/class/block/dm-1/holders/md127", "");
    assert!(mounted("/srv").contains("dm-1 is held by md127"));
}

/// A mount of btrfs names one of its devices only.
#[test]
fn a_filesystem_on_several_devices_uses_each() {
    let root = common::plant("machines/18-names-names");
    let put = |path: &str, text: &str| common::put(root.path(), path, text);
    put("sys/class/block/md127/dev", "9:127\n");
    put("sys/fs/btrfs/features/raid56", "");
    put("sys/fs/btrfs/a-b/devices/md127", "");
    put("sys/fs/btrfs/a-b/devices/sda1", "");
    let line = "36 1 0:41 / / rw - btrfs /dev/sda1 rw\n";
    put("proc/self/mountinfo", line);
    let said = advice(root.path(), "md127");
    assert!(said.contains("holds the root filesystem"), "{said}");
    assert!(!said.contains("--stop"), "{said}");
}

#[test]
fn arrays_are_found_by_all_kinds_of_names() {
    let root = common::plant("machines/18-names-names");
    for (name, array) in [
        ("node1:pv1", "md127"),
        ("/dev/md/node1:pv1", "md127"),
        ("my raid", "md126"),
        (r"my\x20raid", "md126"),
        ("größe-データ", "md125"),
        ("md_d0", "md_d0"),
        ("/dev/md_d0", "md_d0"),
    ] {
        assert_eq!(json(root.path(), name)["array"]["name"], array, "{name}");
    }
    for (name, shown) in [("", "no array '';"), ("a b", "no array 'a b';")] {
        let assert = detail(root.path(), name).assert().code(1);
        assert.stderr(contains(shown));
    }
    // A name that mdadm may refuse is not the one to assemble it by.
    let said = advice(root.path(), "md127");
    assert!(said.contains("mdp2p assemble /dev/md127 /dev/"), "{said}");
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
    assert!(text.contains("There is no provider"), "{text}");
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
    // Whoever assembled it by what is left would leave a member out.
    let root = common::plant("arrays");
    common::put(root.path(), "sys/block/md127/md/sync_action", "idle\n");
    common::put(root.path(), "sys/block/md127/md/dev-sdb/slot", "first\n");
    let told = detail(root.path(), "md127").assert().code(1);
    let said = String::from_utf8_lossy(&told.get_output().stdout).into_owned();
    assert!(said.contains("has a member that cannot be"), "{said}");
    assert!(
        !said.contains("--stop") && !said.contains("journal"),
        "{said}"
    );
    // A member costs its own line.
    for (file, content) in [("p2pdma_distance", "far away"), ("slot", "first")] {
        let root = common::plant("arrays");
        let path = format!("sys/block/md0/md/dev-nvme1n1/{file}");
        common::put(root.path(), &path, content);
        let shown = detail(root.path(), "md0").assert().code(1);
        shown
            .stdout(contains("nvme0n1").and(contains("nvme1n1").not()))
            .stderr(contains("member nvme1n1 of md0 is left out").and(contains(path)));
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
