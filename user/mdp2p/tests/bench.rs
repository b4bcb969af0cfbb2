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
use mdp2p::commands::bench::saved::Saved;
use mdp2p::commands::bench::{self, BenchReport};
use mdp2p::workload::path_taken::{Counted, PathTaken};
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
fn staging_is_measured_with_the_memory_itself_and_who_copied() {
    let machine = Machine::new();
    if !machine.takes_direct_io() {
        return;
    }
    let words = ["md0", "--seconds", "0.1", "--block-size", "4K", "--staging"];
    let mut report = report(&machine, &words).expect("measured");
    let raw = report.raw.as_ref().expect("rates");
    let widths: Vec<usize> = raw.iter().map(|row| row.width).collect();
    assert_eq!(widths, mdp2p_io::raw::widths());
    for row in raw {
        assert!(row.load_bytes_per_second > 0.0 && row.store_bytes_per_second > 0.0);
    }
    assert!(report.notes.join(" ").contains("Nothing was staged."));
    report.results[0].counted = Some(Counted {
        staged_bytes: 3 << 20,
        engine_bytes: 2 << 20,
        ..Counted::default()
    });
    bench::notes::add_staging(&mut report);
    let note = "4 KiB read: of 3 MiB staged, a DMA engine copied 2 MiB and the CPU 1 MiB.";
    assert!(
        report.notes.iter().any(|it| it == note),
        "{:?}",
        report.notes
    );
    assert_eq!(complaints("bench", &versioned(&report)), [""; 0]);
}

/// Makes the file that `--save` would make, with a rate for the read of 4 KiB through peer memory.
fn saved(machine: &Machine, rate: f64) -> serde_json::Value {
    let sysroot = machine.sysroot();
    let array = mdp2p_machine::md::array::find(&sysroot, "md0").expect("an array");
    let words = ["md0", "--dry-run", "--block-size", "4K"];
    let mut report = report(machine, &words).expect("a plan");
    let figures = |bytes_per_second| bench::Figures {
        bytes: 1,
        ios: 1,
        seconds: 1.0,
        bytes_per_second,
        p50_us: 1.0,
        p99_us: 2.0,
        cpu_seconds_per_gib: 0.0,
        machine_cpu_seconds_per_gib: 0.5,
    };
    report.results.push(bench::Measurement {
        block_bytes: 4096,
        operation: Operation::Read,
        depth: 4,
        host: figures(1048576.0),
        peer: figures(rate),
        ratio: None,
        path_taken: PathTaken::Staged,
        counted: Some(Counted {
            staged_bytes: 4,
            engine_bytes: 3,
            ..Counted::default()
        }),
    });
    let saved = Saved::of(&sysroot, &array, &report).expect("a machine");
    serde_json::to_value(&saved).expect("JSON")
}

#[test]
fn what_is_saved_says_what_machine_it_was_and_not_whose() {
    let machine = Machine::new();
    machine.put("proc/cpuinfo", "processor : 0\nmodel name : Example 9000\n");
    machine.put("proc/sys/kernel/osrelease", "7.3.4+deb13-amd64");
    let value = saved(&machine, 3.0);
    assert_eq!(complaints("bench-saved", &value), [""; 0]);
    assert_eq!(value["machine"]["processor"], "Example 9000");
    assert_eq!(value["machine"]["provider"], "1b36:0010");
    assert_eq!(value["results"][1]["engine_part"], 0.75);
    assert_eq!(value["results"][1]["went"], "staged");
    let text = value.to_string();
    for secret in [
        "md0",
        "nvme0n1",
        PROVIDER,
        "/dev",
        machine.root().to_str().expect("a path"),
    ] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

#[test]
fn two_files_are_compared_as_ratios() {
    let machine = Machine::new();
    for (name, rate) in [("a", 2097152.0), ("b", 3145728.0)] {
        let file = machine.path(&format!("{name}.json"));
        fs::write(file, saved(&machine, rate).to_string()).expect("a file");
    }
    let compare = |names: &[&str]| {
        let mut command = Command::cargo_bin("mdp2p").expect("it is built");
        let names = names.iter().map(|name| machine.path(name));
        command.args(["bench", "--compare"]).args(names);
        command
    };
    let output = compare(&["a.json", "b.json"]).assert().success();
    let text = String::from_utf8(output.get_output().stdout.clone()).expect("UTF-8");
    let row = |what: &str| {
        let line = text.lines().find(|line| line.starts_with(what));
        let line = line.unwrap_or_else(|| panic!("{what}: {text}"));
        line[what.len()..]
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(row("4 KiB read x 4, host memory"), "1.00 1.00 1.00");
    assert_eq!(row("4 KiB read x 4, peer memory"), "2.00 3.00 1.50");
    assert!(text.contains("A: raid0 of 2 (md-p2p)"), "{text}");

    // What somebody sent may be anything.
    let mut evil = saved(&machine, 1.0);
    evil["machine"]["level"] = "\u{1b}]0;T\u{7}".into();
    fs::write(machine.path("evil.json"), evil.to_string()).expect("a file");
    let output = compare(&["a.json", "evil.json"]).assert().success();
    let text = String::from_utf8(output.get_output().stdout.clone()).expect("UTF-8");
    assert!(
        !text.contains(|c: char| c.is_control() && c != '\n'),
        "{text:?}"
    );
    for (key, value, why) in [
        ("version", 2.into(), "version 2 of `mdp2p bench`; version 1"),
        ("kind", "else".into(), "version 1 of `else`"),
        ("results", "x".into(), "not a file of mdp2p bench --save"),
    ] {
        let mut wrong = saved(&machine, 1.0);
        wrong[key] = value;
        fs::write(machine.path("wrong.json"), wrong.to_string()).expect("a file");
        let said = predicate::str::contains(why).and(predicate::str::contains("wrong.json"));
        compare(&["a.json", "wrong.json"])
            .assert()
            .code(1)
            .stderr(said);
    }
    let mut wrong = saved(&machine, 1.0);
    wrong["results"][0]["bytes_per_second"] = (-1).into();
    fs::write(machine.path("wrong.json"), wrong.to_string()).expect("a file");
    let said = predicate::str::contains("-1 is no rate");
    compare(&["a.json", "wrong.json"])
        .assert()
        .code(1)
        .stderr(said);
    let said = predicate::str::contains("none.json: No such file");
    compare(&["a.json", "none.json"])
        .assert()
        .code(1)
        .stderr(said);
    let said = predicate::str::contains("name an array before it, or a second file");
    compare(&["a.json"]).assert().code(1).stderr(said);
}

#[test]
fn what_is_measured_is_saved_and_read_again() {
    let machine = Machine::new();
    if !machine.takes_direct_io() {
        return;
    }
    let options = options(&["md0", "--seconds", "0.1", "--block-size", "4K"]);
    let report = bench::report(&machine.sysroot(), &options).expect("measured");
    let array = mdp2p_machine::md::array::find(&machine.sysroot(), "md0").expect("an array");
    let file = machine.path("saved.json");
    let saved = Saved::of(&machine.sysroot(), &array, &report).expect("a machine");
    saved.write(&file).expect("written");
    let read = Saved::read(&file).expect("read");
    assert_eq!(read.machine, saved.machine);
    let rates = |saved: &Saved| -> Vec<u64> {
        let rates = saved.results.iter().map(|row| row.bytes_per_second as u64);
        rates.collect()
    };
    assert_eq!(rates(&read), rates(&saved));
    assert!(rates(&read).iter().all(|rate| *rate > 0));
}

#[test]
fn staging_takes_the_provider_that_the_fewest_members_reach() {
    let machine = Machine::new();
    let other = "0000:02:00.0";
    let link = format!("sys/bus/pci/devices/{other}");
    for (file, text) in [
        ("size", "65536"),
        ("available", "65536"),
        ("published", "1"),
    ] {
        machine.put(&format!("{link}/p2pmem/{file}"), text);
    }
    machine.put(
        &format!("{link}/modalias"),
        "pci:v00001B36d00000010sv00001AF4sd00001100bc01sc08i02",
    );
    let distance = "sys/devices/virtual/block/md0/md/dev-nvme0n1/p2pdma_distance";
    machine.put(distance, "0000:01:00.0 0\n0000:02:00.0 unreachable\n");
    let chosen = |words: &[&str]| {
        let words = [&["md0", "--dry-run"], words].concat();
        report(&machine, &words)
            .expect("a plan")
            .provider
            .address
            .to_string()
    };
    assert_eq!(chosen(&[]), PROVIDER);
    assert_eq!(chosen(&["--staging"]), other);
    assert_eq!(chosen(&["--staging", "--provider", PROVIDER]), PROVIDER);
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
        "4 KiB read",
        "64 KiB read",
        "not counted",
        "virtual machine (QEMU &lt;&amp;&gt;): the figures mean nothing",
    ] {
        assert!(has(text), "{text}: {all:?}");
    }
}

/// A text in a drawing, and the box that it fills.
struct Label {
    text: String,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

/// Returns the labels of a drawing. A letter of a sans-serif font is at most 0.62 as wide as high.
fn labels(drawing: &str) -> Vec<Label> {
    let document = roxmltree::Document::parse(drawing).expect("XML");
    let texts = document
        .descendants()
        .filter(|node| node.has_tag_name("text"));
    let label = |node: roxmltree::Node| {
        let number = |key: &str| node.attribute(key).expect(key).parse::<f64>().expect(key);
        let text = node.text().unwrap_or_default().trim().to_owned();
        let (x, y, size) = (number("x"), number("y"), number("font-size"));
        let width = 0.62 * size * text.chars().count() as f64;
        let left = match node.attribute("text-anchor") {
            Some("middle") => x - width / 2.0,
            Some("end") => x - width,
            _ => x,
        };
        let below = match node.attribute("dy") {
            Some("0.76em") => 0.76,
            Some("0.5ex") => 0.25,
            _ => 0.0,
        };
        let base = y + below * size;
        Label {
            text,
            left,
            right: left + width,
            top: base - 0.76 * size,
            bottom: base + 0.2 * size,
        }
    };
    texts.map(label).collect()
}

#[test]
fn no_label_of_a_drawing_lies_on_another_or_outside() {
    let machine = Machine::new();
    let mut report = report(&machine, &["md0", "--dry-run", "--block-size", "4K"]).expect("a plan");
    let figures = |mib: f64, p50: f64, p99: f64| bench::Figures {
        bytes: 1 << 30,
        ios: 1,
        seconds: 1.0,
        bytes_per_second: mib * 1_048_576.0,
        p50_us: p50,
        p99_us: p99,
        cpu_seconds_per_gib: 0.1,
        machine_cpu_seconds_per_gib: 0.1 + mib / 1e5,
    };
    for rows in [1, 2, 4, 8, 20] {
        report.results = (0..rows)
            .map(|row| {
                let size = 4096 << (row % 13);
                let size_mib = f64::from(size) / 1_048_576.0;
                let latency = 61.0 + 400.0 * size_mib;
                bench::Measurement {
                    block_bytes: size as usize,
                    operation: [Operation::Read, Operation::Write][row as usize % 2],
                    depth: 1,
                    host: figures(64.0 + 900.0 * size_mib, latency, 20.0 * latency),
                    peer: figures(70.0 + 800.0 * size_mib, latency * 0.9, 1.01 * latency),
                    ratio: Some(1.0),
                    path_taken: [PathTaken::NotCounted, PathTaken::Direct][row as usize % 2],
                    counted: None,
                }
            })
            .collect();
        let drawing = plot::svg(&report).expect("a drawing");
        let document = roxmltree::Document::parse(&drawing).expect("XML");
        let size = |key: &str| {
            let size = document.root_element().attribute(key).expect(key);
            size.parse::<f64>().expect(key)
        };
        let labels = labels(&drawing);
        assert!(labels.len() > 5 + 10 * rows as usize, "{rows}");
        for (number, one) in labels.iter().enumerate() {
            let inside = one.left >= 0.0 && one.right <= size("width");
            assert!(inside, "{rows} rows: {} leaves the drawing", one.text);
            assert!(
                one.top >= 0.0 && one.bottom <= size("height"),
                "{rows}: {}",
                one.text
            );
            for other in &labels[number + 1..] {
                let apart = one.right <= other.left
                    || other.right <= one.left
                    || one.bottom <= other.top
                    || other.bottom <= one.top;
                assert!(apart, "{rows} rows: {} lies on {}", one.text, other.text);
            }
        }
        // The median stands in its bar and the 99th percentile above its whisker.
        let place = |text: &str| labels.iter().find(|label| label.text == text).expect(text);
        let (median, p99) = (place("62.6"), place("1251"));
        assert!(median.top > p99.bottom + 20.0 && (median.left - p99.left).abs() < 9.0);
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
