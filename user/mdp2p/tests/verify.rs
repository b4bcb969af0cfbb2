// SPDX-License-Identifier: GPL-2.0
//! `mdp2p verify`: moves data on a machine made of files; and its contract.

#[path = "common/machine.rs"]
mod machine;

use std::fs;

use assert_cmd::Command;
use machine::{BYTES, Machine, PROVIDER, complaints, verb, versioned};
use mdp2p::commands::Verb;
use mdp2p::commands::verify::Verify;
use mdp2p::commands::verify::{self, Data, VerifyReport};
use mdp2p::workload::path_taken::PathTaken;
use mdp2p_io::target::Operation;
use predicates::prelude::*;
use sha2::{Digest, Sha256};

fn options(words: &[&str]) -> Verify {
    match verb(&[&["verify"], words].concat()) {
        Verb::Verify(options) => options,
        other => panic!("{other:?}"),
    }
}

fn report(machine: &Machine, words: &[&str]) -> Result<VerifyReport, String> {
    verify::report(&machine.sysroot(), &options(words)).map_err(|error| format!("{error:#}"))
}

fn refused(machine: &Machine, words: &[&str]) -> String {
    let before = machine.data();
    let why = report(machine, words).expect_err("refused");
    assert_eq!(machine.data(), before, "nothing is changed");
    why
}

/// Returns the program, with this machine as its sysroot.
fn program(machine: &Machine, words: &[&str]) -> Command {
    let mut command = Command::cargo_bin("mdp2p").expect("it is built");
    command
        .arg("--sysroot")
        .arg(machine.root())
        .arg("verify")
        .args(words);
    command
}

#[test]
fn data_are_read_through_both_memories_and_nothing_is_changed() {
    let machine = Machine::new();
    if !machine.takes_direct_io() {
        return;
    }
    let before = machine.data();
    let report = report(&machine, &["md0"]).expect("moved");
    assert_eq!(machine.data(), before);
    assert!(report.is_right());
    let [row] = &report.results[..] else {
        panic!("{report:?}");
    };
    assert_eq!((row.data, row.operation), (Data::Right, Operation::Read));
    assert_eq!(row.bytes as usize, BYTES);
    // Nobody counts in the counters of this machine, which are files.
    assert_eq!(row.path_taken, PathTaken::NotCounted);
    assert_eq!(report.notes.len(), 1, "{report:?}");
    let sum: String = Sha256::digest(&before)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        (row.sha256.as_ref(), row.expected_sha256.as_ref()),
        (Some(&sum), Some(&sum))
    );
    assert_eq!(complaints("verify", &versioned(&report)), [""; 0]);
}

#[test]
fn an_array_that_is_shorter_than_it_says_fails() {
    let machine = Machine::new();
    if !machine.takes_direct_io() {
        return;
    }
    fs::write(machine.path("dev/md0"), &machine.data()[..BYTES / 2]).expect("half of it");
    let report = report(&machine, &["md0"]).expect("moved");
    assert!(!report.is_right());
    let row = &report.results[0];
    assert_eq!(
        (row.data, row.failed as usize),
        (Data::Failed, BYTES / 2 / 65536)
    );
    assert!(row.details[0].contains("short: 0 bytes only"), "{row:?}");
    assert_eq!(row.sha256, None);
    assert_eq!(complaints("verify", &versioned(&report)), [""; 0]);
}

#[test]
fn destructive_writes_both_ways_and_nowhere_else() {
    let machine = Machine::new();
    if !machine.takes_direct_io() {
        return;
    }
    let before = machine.data();
    let words = ["md0", "--destructive", "--yes", "--size", "256K"];
    let report = report(&machine, &words).expect("moved");
    assert!(report.is_right(), "{report:?}");
    let done: Vec<_> = report
        .results
        .iter()
        .map(|row| (row.operation, row.bytes))
        .collect();
    assert_eq!(
        done,
        [
            (Operation::Write, report.bytes),
            (Operation::Read, report.bytes)
        ]
    );
    let after = machine.data();
    let differing = before
        .chunks(4096)
        .zip(after.chunks(4096))
        .filter(|(a, b)| a != b)
        .count();
    assert_eq!(differing as u64 * 4096, report.bytes);
    assert_ne!(before[..4096], after[..4096]);
    assert_ne!(before[BYTES - 4096..], after[BYTES - 4096..]);
    assert_eq!(complaints("verify", &versioned(&report)), [""; 0]);
}

#[test]
fn a_file_is_made_on_the_array_and_gone_at_the_end() {
    let machine = Machine::new();
    if !machine.takes_direct_io() {
        return;
    }
    machine.mount();
    let path = machine.path("scratch");
    let words = [
        "md0",
        "--write-file",
        path.to_str().expect("a path"),
        "--size",
        "200K",
    ];
    let report = report(&machine, &words).expect("moved");
    assert!(report.is_right(), "{report:?}");
    assert_eq!((report.results.len(), report.bytes), (2, 200 << 10));
    assert!(!path.exists());
    fs::write(&path, "mine").expect("a file");
    assert!(refused(&machine, &words).contains("exists already"));
    assert_eq!(fs::read(&path).expect("a file"), b"mine");
}

#[test]
fn an_array_in_use_is_never_overwritten() {
    let machine = Machine::new();
    machine.mount();
    let why = refused(&machine, &["md0", "--destructive", "--yes"]);
    assert!(why.contains("md0 is in use: mounted on /mnt"), "{why}");
    program(&machine, &["md0", "--destructive", "--yes", "--dry-run"])
        .assert()
        .code(1)
        .stderr(predicate::str::contains("mounted on /mnt"));
}

#[test]
fn a_file_elsewhere_is_refused() {
    let machine = Machine::new();
    let path = machine.path("scratch");
    let why = refused(
        &machine,
        &["md0", "--write-file", path.to_str().expect("a path")],
    );
    assert!(why.contains("not on md0, which is not mounted"), "{why}");
    assert!(!path.exists());
}

/// A second provider, whose memory is all lent out.
const LENT: &str = "0000:00:02.0";

fn lend_out(machine: &Machine) {
    let device = format!("sys/bus/pci/devices/{LENT}");
    for (file, text) in [
        (
            "modalias",
            "pci:v00001B36d00000010sv00001AF4sd00001100bc01sc08i02",
        ),
        ("p2pmem/size", "16777216"),
        ("p2pmem/available", "0"),
        ("p2pmem/published", "1"),
    ] {
        machine.put(&format!("{device}/{file}"), text);
    }
}

#[test]
fn a_provider_without_memory_is_reported_and_the_others_are_tried() {
    let machine = Machine::new();
    lend_out(&machine);
    if !machine.takes_direct_io() {
        return;
    }
    for (words, operations) in [
        (&["md0"][..], &[Operation::Read][..]),
        (
            &["md0", "--destructive", "--yes"],
            &[Operation::Write, Operation::Read],
        ),
    ] {
        let report = report(&machine, words).expect("moved");
        let of = |provider: &str| {
            let rows = report.results.iter();
            let rows = rows.filter(|row| row.provider.to_string() == provider);
            rows.map(|row| (row.operation, row.data, row.path_taken, row.bytes > 0))
                .collect::<Vec<_>>()
        };
        let expected = |data, went, moved| {
            let all = operations.iter();
            all.map(|&operation| (operation, data, went, moved))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            of(LENT),
            expected(Data::NoMemory, PathTaken::Nowhere, false)
        );
        assert_eq!(
            of(PROVIDER),
            expected(Data::Right, PathTaken::NotCounted, true)
        );
        assert!(!report.is_right());
        assert_eq!(
            report.notes.last().expect("a sentence"),
            "This run is incomplete: nothing could be moved through the memory of 0000:00:02.0."
        );
        let json = versioned(&report);
        assert_eq!(complaints("verify", &json), [""; 0]);
        let row = &json["results"][0];
        assert_eq!(
            (&row["provider"], &row["data"]),
            (&LENT.into(), &"no-memory".into())
        );
        let why = row["details"][0].as_str().expect("why");
        assert!(
            why.starts_with("no memory left: 0000:00:02.0 has 0 of its 16 MiB of p2pmem available"),
            "{why}"
        );
    }
}

#[test]
fn a_dry_run_knows_who_has_no_memory() {
    let machine = Machine::new();
    lend_out(&machine);
    program(&machine, &["md0", "--dry-run"])
        .assert()
        .code(1)
        .stdout(predicate::str::contains(
            "  0000:01:00.0: distance 0-4; 64 KiB of 16 MiB",
        ))
        .stdout(predicate::str::contains(
            "0000:00:02.0 read: no memory left: 0000:00:02.0 has 0 of its 16 MiB",
        ))
        .stdout(predicate::str::ends_with("the memory of 0000:00:02.0.\n"));
    program(&machine, &["md0", "--dry-run", "--provider", PROVIDER])
        .assert()
        .success();
}

#[test]
fn without_any_memory_nothing_is_asked_and_nothing_overwritten() {
    let machine = Machine::new();
    machine.put(
        &format!("sys/bus/pci/devices/{PROVIDER}/p2pmem/available"),
        "0",
    );
    let before = machine.data();
    // There is no terminal to ask on.
    let report = report(&machine, &["md0", "--destructive"]).expect("a report");
    assert!(report.results.iter().all(|row| row.data == Data::NoMemory));
    assert_eq!((report.results.len(), report.is_right()), (2, false));
    assert_eq!(machine.data(), before);
}

#[test]
fn buffers_are_allocated_from_those_that_publish() {
    let machine = Machine::new();
    let why = refused(&machine, &["md0", "--provider", "0000:00:01.0"]);
    assert!(
        why.contains("0000:00:01.0 lends no memory") && why.ends_with("that do: 0000:01:00.0"),
        "{why}"
    );
    machine.put(
        &format!("sys/bus/pci/devices/{PROVIDER}/p2pmem/published"),
        "0",
    );
    let why = refused(&machine, &["md0"]);
    assert!(
        why.contains("0000:01:00.0 has p2pmem that the driver has not published"),
        "{why}"
    );
    let pool = format!("sys/bus/pci/devices/{PROVIDER}/p2pmem");
    fs::remove_dir_all(machine.path(&pool)).expect("a pool");
    let why = refused(&machine, &["md0"]);
    assert!(why.contains("mdp2p doctor"), "{why}");
}

#[test]
fn a_dry_run_says_what_would_be_moved_and_moves_nothing() {
    let machine = Machine::new();
    let before = machine.data();
    program(&machine, &["/dev/md0", "--dry-run", "--size", "1M"])
        .assert()
        .success()
        .stdout(predicate::str::contains(
            "md0: raid0, state direct, policy auto",
        ))
        .stdout(predicate::str::contains("would read 1 MiB of"))
        .stdout(predicate::str::contains("in 4 pieces"))
        .stdout(predicate::str::contains(
            "0000:01:00.0: distance 0-4; 64 KiB of 16 MiB available",
        ));
    let words = ["md0", "--dry-run", "--json", "--destructive", "--yes"];
    let output = program(&machine, &words)
        .assert()
        .success()
        .get_output()
        .stdout
        .clone();
    let json = serde_json::from_slice(&output).expect("JSON");
    assert_eq!(complaints("verify", &json), [""; 0]);
    assert_eq!(
        (&json["dry_run"], &json["mode"]),
        (&true.into(), &"destructive".into())
    );
    assert_eq!(machine.data(), before);
}

#[test]
fn a_journal_is_no_member_that_peer_io_goes_to() {
    let machine = Machine::new();
    let journal = "sys/devices/virtual/block/md0/md/dev-nvme2n1";
    machine.put(&format!("{journal}/slot"), "journal\n");
    machine.put(&format!("{journal}/state"), "journal\n");
    program(&machine, &["md0", "--dry-run"])
        .assert()
        .success()
        .stdout(predicate::str::contains("0000:01:00.0: distance 0-4; "));
}

#[test]
fn the_schema_refuses_what_is_not_in_it() {
    let machine = Machine::new();
    let mut json = versioned(&report(&machine, &["md0", "--dry-run"]).expect("a plan"));
    assert_eq!(complaints("verify", &json), [""; 0]);
    json["mode"] = "something".into();
    json["more"] = 1.into();
    assert_eq!(complaints("verify", &json).len(), 2);
}

#[test]
fn the_files_of_another_machine_are_only_read() {
    let machine = Machine::new();
    let before = machine.data();
    program(&machine, &["md0", "--destructive", "--yes"])
        .assert()
        .code(1)
        .stderr(predicate::str::contains("leave --sysroot out"));
    assert_eq!(machine.data(), before);
}

#[test]
fn usage_errors_end_with_2() {
    let machine = Machine::new();
    for words in [
        &[][..],
        &["md0", "--nonsense"],
        &["md0", "--size", "0"],
        &["md0", "--size", "1.5M"],
        &["md0", "--size", "16777215T"],
        &["md0", "--provider", "nvme0"],
        &["md0", "--destructive", "--write-file", "/mnt/x"],
    ] {
        program(&machine, words)
            .assert()
            .code(2)
            .stderr(predicate::str::is_empty().not());
    }
}

#[test]
fn help_says_what_the_exit_status_means() {
    let machine = Machine::new();
    program(&machine, &["--help"])
        .assert()
        .success()
        .stdout(predicate::str::contains(
            "Exit status: 0 the data are right",
        ))
        .stdout(predicate::str::contains("--write-file <PATH>"));
}

#[test]
fn what_is_wrong_is_named() {
    let machine = Machine::new();
    program(&machine, &["md7", "--dry-run"])
        .assert()
        .code(1)
        .stderr(predicate::str::contains(
            "there is no array md7; the running arrays are md0",
        ));
    machine.put("sys/block/md0/md/p2pdma_refused_ios", "garbage\u{1b}[31m");
    program(&machine, &["md0", "--dry-run"])
        .assert()
        .code(1)
        .stderr(predicate::str::contains(
            "p2pdma_refused_ios: `garbage\\u{1b}[31m`",
        ));
}

#[test]
fn a_pipe_that_nobody_reads_is_no_error() {
    let machine = Machine::new();
    for words in [&["md0", "--dry-run"][..], &["md0", "--dry-run", "--json"]] {
        let (reader, writer) = nix::unistd::pipe().expect("a pipe");
        drop(reader);
        let status = std::process::Command::new(assert_cmd::cargo::cargo_bin("mdp2p"))
            .arg("--sysroot")
            .arg(machine.root())
            .arg("verify")
            .args(words)
            .stdout(writer)
            .status()
            .expect("it runs");
        assert!(status.success(), "{words:?}");
    }
}
