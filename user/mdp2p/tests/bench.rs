// SPDX-License-Identifier: GPL-2.0
//! `mdp2p bench`: moves data on a machine made of files; and its contract.

#[path = "common/machine.rs"]
mod machine;

use std::fs;

use assert_cmd::Command;
use machine::{BYTES, Machine, PROVIDER, complaints, verb, versioned};
use mdp2p::commands::Verb;
use mdp2p::commands::bench::Bench;
use mdp2p::commands::bench::plot;
use mdp2p::commands::bench::{self, BenchReport};
use mdp2p::workload::path_taken::PathTaken;
use mdp2p_io::target::Operation;
use predicates::prelude::*;
use svg::node::element::tag::Type;
use svg::parser::Event;

fn options(words: &[&str]) -> Bench {
    match verb(&[&["bench"], words].concat()) {
        Verb::Bench(options) => options,
        other => panic!("{other:?}"),
    }
}

fn report(machine: &Machine, words: &[&str]) -> Result<BenchReport, String> {
    bench::report(&machine.sysroot(), &options(words)).map_err(|error| format!("{error:#}"))
}

/// Returns the program, with this machine as its sysroot.
fn program(machine: &Machine, words: &[&str]) -> Command {
    let mut command = Command::cargo_bin("mdp2p").expect("it is built");
    command
        .arg("--sysroot")
        .arg(machine.root())
        .arg("bench")
        .args(words);
    command
}

/// Returns the texts of a drawing, after a check that all its tags are closed.
fn texts(drawing: &str) -> Vec<String> {
    let (mut open, mut texts) = (Vec::new(), Vec::new());
    for event in svg::read(drawing).expect("SVG") {
        match event {
            Event::Tag(tag, Type::Start, _) => open.push(tag.to_owned()),
            Event::Tag(tag, Type::End, _) => assert_eq!(open.pop().as_deref(), Some(tag)),
            Event::Text(text) => texts.push(text.trim().to_owned()),
            Event::Error(error) => panic!("{error}"),
            _ => {}
        }
    }
    assert_eq!(open, [""; 0]);
    texts
}

#[test]
fn both_memories_are_measured_for_each_size_and_nothing_is_changed() {
    let machine = Machine::new();
    if !machine.takes_direct_io() {
        return;
    }
    let before = machine.data();
    let words = ["md0", "--seconds", "0.1", "--block-size", "4K,64K,1M"];
    let report = report(&machine, &words).expect("measured");
    assert_eq!(machine.data(), before);
    let sizes: Vec<_> = report
        .results
        .iter()
        .map(|row| (row.block_bytes, row.depth))
        .collect();
    assert_eq!(sizes, [(4096, 4), (65536, 1)]);
    for row in &report.results {
        assert_eq!(
            (row.operation, row.path_taken),
            (Operation::Read, PathTaken::NotCounted)
        );
        for side in [row.host, row.peer] {
            assert_eq!(side.bytes, side.ios * row.block_bytes as u64);
            assert!(side.ios > 0 && side.seconds >= 0.1, "{side:?}");
            assert!(side.p50_us > 0.0 && side.p50_us <= side.p99_us, "{side:?}");
        }
    }
    let notes = report.notes.join("\n");
    assert!(
        notes.contains("Blocks of 64 KiB: only 1 in flight"),
        "{notes}"
    );
    assert!(notes.contains("too little for a block of 1 MiB"), "{notes}");
    assert_eq!(complaints("bench", &versioned(&report)), [""; 0]);
}

#[test]
fn a_drawing_has_all_that_was_measured_and_the_warning() {
    let machine = Machine::new();
    if !machine.takes_direct_io() {
        return;
    }
    machine.put("sys/class/dmi/id/sys_vendor", "QEMU <&>");
    let words = ["md0", "--seconds", "0.1", "--block-size", "4K,64K"];
    let report = report(&machine, &words).expect("measured");
    assert_eq!(report.virtual_machine.as_deref(), Some("QEMU <&>"));
    let all = texts(&plot::svg(&report).expect("a drawing"));
    let has = |text: &str| all.iter().any(|one| one.contains(text));
    for text in [
        "md0: raid0",
        "Throughput, MiB/s",
        "4 KiB read, not counted",
        "64 KiB read, not counted",
        "virtual machine (QEMU &lt;&amp;&gt;): the figures mean nothing",
    ] {
        assert!(has(text), "{text}: {all:?}");
    }
}

#[test]
fn a_drawing_of_nothing_is_a_drawing() {
    let machine = Machine::new();
    let report = report(&machine, &["md0", "--dry-run", "--block-size", "4K"]).expect("a plan");
    let all = texts(&plot::svg(&report).expect("a drawing"));
    assert!(
        !all.iter().any(|text| text.contains("virtual machine")),
        "{all:?}"
    );
}

#[test]
fn a_file_is_written_too_and_gone_at_the_end() {
    let machine = Machine::new();
    if !machine.takes_direct_io() {
        return;
    }
    machine.mount();
    let path = machine.path("scratch");
    let file = path.to_str().expect("a path");
    let words = [
        "md0",
        "--write-file",
        file,
        "--file-size",
        "1M",
        "--seconds",
        "0.1",
        "--block-size",
        "64K",
    ];
    let report = report(&machine, &words).expect("measured");
    let done: Vec<_> = report.results.iter().map(|row| row.operation).collect();
    assert_eq!(done, [Operation::Read, Operation::Write]);
    assert_eq!(report.bytes, 1 << 20);
    assert!(!path.exists());
}

#[test]
fn destructive_writes_to_the_array() {
    let machine = Machine::new();
    if !machine.takes_direct_io() {
        return;
    }
    let before = machine.data();
    let words = [
        "md0",
        "--destructive",
        "--yes",
        "--seconds",
        "0.1",
        "--block-size",
        "64K",
    ];
    let report = report(&machine, &words).expect("measured");
    assert_eq!(report.results.len(), 2);
    let after = machine.data();
    assert_eq!(after.len(), BYTES);
    assert_ne!(after, before);
    machine.mount();
    let why = bench::report(&machine.sysroot(), &options(&words)).expect_err("mounted");
    assert!(why.to_string().contains("in use: mounted on /mnt"), "{why}");
    assert_eq!(machine.data(), after);
}

#[test]
fn an_io_that_fails_ends_it() {
    let machine = Machine::new();
    if !machine.takes_direct_io() {
        return;
    }
    fs::write(machine.path("dev/md0"), &machine.data()[..4096]).expect("a page of it");
    let why = report(&machine, &["md0", "--seconds", "0.1"]).expect_err("too short");
    assert!(why.contains("short: 0 bytes only"), "{why}");
}

#[test]
fn the_nearest_provider_is_one_that_a_member_reaches() {
    let machine = Machine::new();
    for member in ["nvme0n1", "nvme1n1"] {
        let path = format!("sys/block/md0/md/dev-{member}/p2pdma_distance");
        machine.put(&path, "0000:01:00.0 unreachable");
    }
    let why = report(&machine, &["md0", "--dry-run"]).expect_err("nobody reaches it");
    assert!(why.contains("no member of md0 reaches"), "{why}");
    let named = ["md0", "--dry-run", "--provider", PROVIDER];
    let report = report(&machine, &named).expect("it was asked for");
    assert_eq!(report.provider.distance_range(), "unreachable");
}

#[test]
fn blocks_are_whole_sectors() {
    let machine = Machine::new();
    machine.put("sys/block/md0/queue/logical_block_size", "4096");
    let why = report(&machine, &["md0", "--dry-run", "--block-size", "64K,512"]);
    let why = why.expect_err("512 is no sector");
    assert!(
        why.contains("--block-size 512: md0 has sectors of 4096 bytes"),
        "{why}"
    );
}

#[test]
fn a_dry_run_says_what_would_be_measured() {
    let machine = Machine::new();
    let before = machine.data();
    let drawing = machine.path("bench.svg");
    let words = [
        "md0",
        "--dry-run",
        "--svg",
        drawing.to_str().expect("a path"),
    ];
    program(&machine, &words)
        .assert()
        .success()
        .stdout(predicate::str::contains(
            "peer memory of 0000:01:00.0, distance 0-4",
        ))
        .stdout(predicate::str::contains("would read blocks anywhere in"))
        .stdout(predicate::str::contains("3 s for each size"));
    assert!(!drawing.exists());
    let output = program(&machine, &["md0", "--dry-run", "--json"])
        .output()
        .expect("it runs");
    let json = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(complaints("bench", &json), [""; 0]);
    assert_eq!(json["results"], serde_json::json!([]));
    assert_eq!(machine.data(), before);
}

#[test]
fn a_drawing_that_nobody_can_store_is_refused_before_anything_is_measured() {
    let machine = Machine::new();
    let path = machine.path("none/bench.svg");
    fs::remove_dir(path.parent().expect("a folder")).expect("it is empty");
    program(
        &machine,
        &["md0", "--dry-run", "--svg", path.to_str().expect("a path")],
    )
    .assert()
    .code(1)
    .stdout("")
    .stderr(predicate::str::contains("--svg"));
}

#[test]
fn the_figures_of_a_virtual_machine_come_with_a_warning() {
    let machine = Machine::new();
    let sentence = "This is a virtual machine (QEMU): the figures mean nothing";
    let dry = ["md0", "--dry-run"];
    let stdout = predicate::str::contains(sentence);
    program(&machine, &dry)
        .assert()
        .success()
        .stdout(stdout.clone().not());
    machine.put("sys/class/dmi/id/sys_vendor", "QEMU");
    program(&machine, &dry).assert().success().stdout(stdout);
}

#[test]
fn usage_errors_end_with_2() {
    let machine = Machine::new();
    for words in [
        &[][..],
        &["md0", "--nonsense"],
        &["md0", "--block-size", "0"],
        &["md0", "--block-size", "4K,1000"],
        &["md0", "--block-size", "128M"],
        &["md0", "--file-size", "1M"],
        &["md0", "--seconds", "0"],
        &["md0", "--depth", "0"],
        &["md0", "--provider", "nvme0"],
        &["md0", "--destructive", "--write-file", "/mnt/x"],
    ] {
        program(&machine, words)
            .assert()
            .code(2)
            .stderr(predicate::str::is_empty().not());
    }
    program(&machine, &["--help"])
        .assert()
        .success()
        .stdout(predicate::str::contains("--block-size <SIZE>"));
}

#[test]
fn what_is_wrong_is_named() {
    let machine = Machine::new();
    program(&machine, &["md7", "--dry-run"])
        .assert()
        .code(1)
        .stderr(predicate::str::contains("there is no array md7"));
    program(&machine, &["md0"])
        .assert()
        .code(1)
        .stderr(predicate::str::contains("leave --sysroot out"));
    let path = format!("sys/bus/pci/devices/{PROVIDER}/p2pmem/available");
    machine.put(&path, "much");
    program(&machine, &["md0", "--dry-run"])
        .assert()
        .code(1)
        .stderr(predicate::str::contains("p2pmem/available: `much`"));
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
            .arg("bench")
            .args(words)
            .stdout(writer)
            .status()
            .expect("it runs");
        assert!(status.success(), "{words:?}");
    }
}
