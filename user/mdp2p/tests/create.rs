// SPDX-License-Identifier: GPL-2.0
//! `mdp2p create`: what is planned, shown and refused. No array is made, because all machines here
//! are captured ones.

mod common;
#[path = "common/nobody.rs"]
mod nobody;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::Parser;
use common::{plant, put};
use md_p2p_decide::route::{Policy, State};
use mdp2p::cli::{Arguments, Request};
use mdp2p::commands::Verb;
use mdp2p::commands::create::Create;
use mdp2p::commands::create::forecast::Outcome;
use mdp2p::commands::create::plan::Plan;
use mdp2p_machine::md::array::Array;
use mdp2p_machine::sysroot::Sysroot;

const TREES: [&str; 5] = ["iommu", "mixed", "paths", "split", "switch"];

fn mdp2p() -> assert_cmd::Command {
    assert_cmd::Command::new(assert_cmd::cargo::cargo_bin!("mdp2p"))
}

fn options(words: &[&str]) -> Create {
    let words = ["mdp2p", "create"].iter().chain(words);
    match Arguments::try_parse_from(words).expect("options").request {
        Request::Verb(Verb::Create(options)) => options,
        other => panic!("{other:?}"),
    }
}

fn plan(root: &Path, words: &[&str]) -> Plan {
    let sysroot = Sysroot::at(root).expect("a host");
    Plan::of(&sysroot, &options(words)).expect("a plan")
}

/// Returns what a dry run on a captured machine prints, and its exit status.
fn dry_run(root: &Path, words: &[&str]) -> (String, i32) {
    let output = mdp2p()
        .arg("--sysroot")
        .arg(root)
        .args(["create", "--dry-run"])
        .args(words)
        .output()
        .expect("mdp2p");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let all = text(output.stdout) + &text(output.stderr);
    (all, output.status.code().expect("a status"))
}

/// Frees the drives from their array.
fn free(root: &Path) {
    fs::remove_dir_all(root.join("sys/devices/virtual/block/md0")).expect("md0");
    for link in ["sys/block/md0", "sys/class/block/md0", "dev/md/data"] {
        fs::remove_file(root.join(link)).expect(link);
    }
    for disk in fs::read_dir(root.join("sys/class/block")).expect("disks") {
        let holders = disk.expect("a disk").path().join("holders/md0");
        if fs::symlink_metadata(&holders).is_ok() {
            fs::remove_file(holders).expect("a holder");
        }
    }
}

#[test]
fn what_is_planned_is_what_the_kernel_then_says() {
    for tree in TREES {
        let root = plant(tree);
        let sysroot = Sysroot::at(root.path()).expect("a host");
        let array = Array::read(&sysroot, "md0").expect("md0");
        let p2p = array.p2p.as_ref().expect("md-p2p's");
        let mut words = vec!["other", "--level", &array.level, "--policy", &p2p.policy];
        words.extend(array.members.iter().map(|member| member.name.as_str()));
        let plan = plan(root.path(), &words);
        assert_eq!(plan.state.name(), p2p.state, "{tree}");
        for (member, reaches) in array.members.iter().zip(&plan.reaches) {
            let told = &member.p2p.as_ref().expect("distances").distances;
            assert_eq!(told.len(), plan.providers.len(), "{tree}");
            for one in told {
                let index = plan.providers.iter().position(|it| *it == one.provider);
                let reach = &reaches[index.expect("a provider")];
                assert_eq!(
                    reach.distance, one.distance,
                    "{tree}: {} {one:?}",
                    member.name
                );
                assert_eq!(reach.distance.is_none(), !reach.why.is_empty(), "{tree}");
            }
        }
    }
}

#[test]
fn a_drive_of_another_driver_cannot_map_peer_memory() {
    let root = plant("mixed");
    let plan = plan(root.path(), &["x", "-l0", "vda", "nvme2n1"]);
    let why = "its driver, virtio-pci, cannot map peer memory";
    assert!(
        plan.reaches[0].iter().all(|reach| reach.why == why),
        "{plan:?}"
    );
    assert!(plan.reaches[1].iter().all(|reach| reach.distance.is_some()));
}

#[test]
fn every_level_has_its_verdicts() {
    use Outcome::{Direct, Host, None, Partly, Peer, Refused, Staged};
    let split = plant("split");
    free(split.path());
    let near = ["nvme0n1", "nvme1n1", "nvme2n1", "missing"];
    let all = ["nvme0n1", "nvme1n1", "nvme2n1", "nvme3n1"];
    // With the memory of a near drive.
    for (level, members, policy, expected) in [
        ("0", &near[..3], "auto", [Direct, Direct, None]),
        ("0", &all[..], "auto", [Partly, Partly, None]),
        // A write that would be partly direct and partly refused is refused at once.
        ("0", &all[..], "direct", [Partly, Refused, None]),
        ("linear", &all[..], "auto", [Partly, Partly, None]),
        ("1", &near[..3], "auto", [Direct, Direct, Peer]),
        ("1", &all[..], "auto", [Direct, Staged, Partly]),
        ("1", &all[..], "direct", [Direct, Refused, Partly]),
        ("1", &all[..], "off", [Refused, Refused, Partly]),
        ("10", &near[..], "auto", [Direct, Direct, Peer]),
        ("10", &all[..], "auto", [Direct, Staged, Partly]),
        ("10", &near[1..], "auto", [Direct, Direct, Peer]),
        ("4", &near[..3], "auto", [Partly, Staged, Host]),
        ("5", &near[..3], "auto", [Partly, Staged, Host]),
        ("6", &all[..], "direct", [Partly, Refused, Host]),
    ] {
        let mut words = vec!["x", "--level", level, "--policy", policy];
        words.extend(members);
        let plan = plan(split.path(), &words);
        let near = &plan.forecasts[0];
        let outcomes = [&near.read, &near.write, &near.rebuild].map(|cell| cell.outcome);
        assert_eq!(outcomes, expected, "{level} {members:?} {policy}");
    }
    // With the memory of the far drive: any member of a mirror can be read, but raid10 has copies
    // that only far members hold.
    for (level, expected) in [
        ("1", [Direct, Staged, Host]),
        ("10", [Partly, Staged, Host]),
    ] {
        let mut words = vec!["x", "--level", level];
        words.extend(all);
        let plan = plan(split.path(), &words);
        let far = plan.forecasts.last().expect("a far provider");
        let outcomes = [&far.read, &far.write, &far.rebuild].map(|cell| cell.outcome);
        assert_eq!(outcomes, expected, "{level}");
    }
}

/// Nothing is direct with memory that no member reaches.
#[test]
fn memory_that_no_member_reaches_is_staged_or_refused() {
    let split = plant("split");
    free(split.path());
    for (policy, outcome) in [("auto", Outcome::Staged), ("direct", Outcome::Refused)] {
        for level in ["linear", "0", "1", "10", "5"] {
            let words = ["x", "--level", level, "--policy", policy];
            let members = ["nvme0n1", "nvme1n1", "nvme2n1"];
            let plan = plan(split.path(), &[&words[..], &members].concat());
            let far = plan.forecasts.last().expect("a far provider");
            for cell in [&far.read, &far.write] {
                assert_eq!(cell.outcome, outcome, "{level} {policy}: {cell:?}");
                assert!(!cell.note.contains(" on ;"), "{cell:?}");
            }
        }
    }
}

#[test]
fn copies_of_raid10_lie_where_its_layout_has_them() {
    use Outcome::{Direct, Host, Partly, Peer};
    let split = plant("split");
    free(split.path());
    // Members are near drives and the far one; the memory is that of a near one.
    for (layout, members, read, rebuild, among) in [
        // Each pair has a near member, and one pair has two.
        (None, "0 3 1 2", Direct, Partly, "nvme1n1, nvme2n1"),
        (Some("n2"), "0 3 1 2", Direct, Partly, "nvme1n1, nvme2n1"),
        (Some("n2"), "0 3 1 missing", Direct, Host, ""),
        (Some("n2"), "0 3 missing 1", Direct, Host, ""),
        // The only copy that is present is far.
        (
            Some("n2"),
            "3 missing 1 2",
            Partly,
            Partly,
            "nvme1n1, nvme2n1",
        ),
        // No two of these hold the same data. With two missing, there may be no other copy.
        (
            Some("f2"),
            "0 3 1 2",
            Direct,
            Partly,
            "nvme0n1, nvme1n1, nvme2n1",
        ),
        (
            Some("o2"),
            "0 3 1 2",
            Direct,
            Partly,
            "nvme0n1, nvme1n1, nvme2n1",
        ),
        (Some("f2"), "0 missing 1 missing", Direct, Peer, ""),
        (Some("o2"), "3 missing 1 missing", Partly, Host, ""),
        (Some("n2"), "3 missing 1 missing", Partly, Host, ""),
        (
            Some("f2"),
            "0 missing 3 1",
            Partly,
            Partly,
            "nvme0n1, nvme1n1",
        ),
        (Some("n3"), "3 0 1", Direct, Partly, "nvme0n1, nvme1n1"),
        (Some("n3"), "3 missing missing 0", Partly, Host, ""),
        (
            Some("f3"),
            "3 missing 0 1",
            Direct,
            Partly,
            "nvme0n1, nvme1n1",
        ),
    ] {
        let names: Vec<String> = members
            .split(' ')
            .map(|member| match member {
                "missing" => member.to_owned(),
                number => format!("nvme{number}n1"),
            })
            .collect();
        let layout = layout.map(|layout| format!("--layout={layout}"));
        let mut words = vec!["x", "--level", "10"];
        words.extend(names.iter().map(String::as_str));
        if let Some(layout) = &layout {
            words.extend(["--", layout]);
        }
        let plan = plan(split.path(), &words);
        let near = &plan.forecasts[0];
        let outcomes = (near.read.outcome, near.rebuild.outcome);
        assert_eq!(outcomes, (read, rebuild), "{layout:?} {members}: {near:?}");
        if rebuild == Partly {
            let note = format!("peer among {among}; else host");
            assert_eq!(near.rebuild.note, note, "{layout:?} {members}");
        }
    }
}

#[test]
fn a_spare_is_a_mate_of_every_member() {
    let split = plant("split");
    free(split.path());
    let rebuild = |words: &[&str]| {
        let mut all = vec!["x", "--level", "10"];
        all.extend(words);
        plan(split.path(), &all).forecasts[0].rebuild.clone()
    };
    let pair = ["nvme0n1", "nvme3n1"];
    assert_eq!(rebuild(&pair).outcome, Outcome::Host);
    let cell = rebuild(&["nvme0n1", "nvme3n1", "--spare=nvme1n1"]);
    assert_eq!(cell.note, "peer among nvme0n1, nvme1n1; else host");
    // No member that is reached can be read for the spare.
    let cell = rebuild(&["nvme3n1", "missing", "--spare=nvme1n1"]);
    assert_eq!(cell.outcome, Outcome::Host);
}

#[test]
fn a_journal_is_looked_at_and_has_no_part_in_peer_io() {
    let split = plant("split");
    free(split.path());
    let near = ["x", "-l5", "nvme0n1", "nvme1n1", "nvme2n1"];
    let mut words = near.to_vec();
    words.push("--write-journal=/dev/nvme3n1");
    let (text, status) = dry_run(split.path(), &words);
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("/dev/md/x: raid5 of 3 members, with a journal"));
    assert!(text.contains("\nnvme3n1  journal  "), "{text}");
    assert!(
        text.contains(
            "--raid-devices=3 --write-journal /dev/nvme3n1 --bitmap=none /dev/nvme0n1 /dev/nvme1n1 /dev/nvme2n1\n"
        ),
        "{text}"
    );
    let (with, without) = (plan(split.path(), &words), plan(split.path(), &near));
    assert_eq!(with.forecasts, without.forecasts);
    assert_eq!(with.state, without.state);
    put(
        split.path(),
        "proc/self/mountinfo",
        "30 1 0:40 / /data rw - btrfs /dev/nvme3n1 rw\n",
    );
    let (text, status) = dry_run(split.path(), &words);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("nvme3n1 is mounted on /data"), "{text}");
    words.push("--spare=nvme3n1");
    let (text, status) = dry_run(split.path(), &words);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("/dev/nvme3n1 is named twice"), "{text}");
}

#[test]
fn the_lender_of_rebuilds_is_who_was_asked_for() {
    let root = plant("iommu");
    let rebuild = |provider: &str| -> Vec<Outcome> {
        let words = [
            "x",
            "--level",
            "1",
            "--provider",
            provider,
            "nvme2n1",
            "nvme3n1",
        ];
        let plan = plan(root.path(), &words);
        let outcomes = plan.forecasts.iter();
        outcomes.map(|forecast| forecast.rebuild.outcome).collect()
    };
    assert!(rebuild("auto").iter().all(|it| *it == Outcome::Peer));
    assert!(rebuild("none").iter().all(|it| *it == Outcome::Host));
    let only = rebuild("0000:02:00.0");
    assert_eq!(only.iter().filter(|it| **it == Outcome::Peer).count(), 1);
    assert_eq!(only[1], Outcome::Peer);
}

#[test]
fn the_exact_commands_are_shown_and_nothing_is_done() {
    let root = plant("split");
    free(root.path());
    let words = [
        "/dev/md/data",
        "--level=raid5",
        "--spare=/dev/nvme3n1",
        "--yes",
        "--policy=direct",
        "--provider=none",
        "/dev/nvme0n1",
        "/dev/nvme1n1",
        "missing",
        "--",
        "--name=it's mine",
    ];
    let (text, status) = dry_run(root.path(), &words);
    assert_eq!(status, 0, "{text}");
    let commands = "
  modprobe raid456-p2p
  mdadm --create /dev/md/data --level=5 --raid-devices=3 --spare-devices=1 --bitmap=internal --run '--name=it'\\''s mine' \
        /dev/nvme0n1 /dev/nvme1n1 missing /dev/nvme3n1
  mdp2p policy /dev/md/data direct
  mdp2p provider /dev/md/data none

This was a dry run: nothing was changed.
";
    assert!(text.ends_with(commands), "{text}");
    assert!(
        text.contains("warning: the array starts degraded"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "{text}");
    assert!(
        text.lines()
            .filter(|line| !line.starts_with("  mdadm"))
            .all(|line| line.chars().count() <= 84),
        "{text}"
    );
}

#[test]
fn mdadms_question_about_a_bitmap_is_shown_and_answered() {
    let root = plant("split");
    free(root.path());
    let asks = "mdadm recommends a write-intent bitmap";
    // The options, the answer that mdadm gets, and what is said of the question.
    for (words, answer, said) in [
        (&["-l1"][..], None, "and will ask;"),
        (&["-l1", "--yes"], Some("internal"), "and --yes agrees;"),
        (&["-l10", "--yes"], Some("internal"), "and --yes agrees;"),
        (&["-l1", "--yes", "--bitmap=none"], Some("none"), ""),
        (&["-l1", "--bitmap", "internal"], Some("internal"), ""),
        // mdadm does not ask for these.
        (&["-l0", "--yes"], None, ""),
        (&["-llinear", "--yes", "--bitmap=none"], None, ""),
        // A journal, or a partial parity log, takes the place of a bitmap.
        (
            &["-l5", "--yes", "--write-journal=nvme3n1"],
            Some("none"),
            "",
        ),
    ] {
        let all = [&["x", "nvme0n1", "nvme1n1"][..], words].concat();
        let (text, status) = dry_run(root.path(), &all);
        assert_eq!(status, 0, "{text}");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(text.contains(asks), !said.is_empty(), "{words:?}: {text}");
        assert!(text.contains(said), "{words:?}: {text}");
        match answer {
            Some(answer) => assert!(text.contains(&format!(" --bitmap={answer} ")), "{text}"),
            None => assert!(!text.contains(" --bitmap="), "{words:?}: {text}"),
        }
    }
    for (option, answer) in [
        ("-kppl", "--bitmap=none --run -kppl"),
        ("-kbitmap", "--bitmap=internal --run -kbitmap"),
        ("--bitmap=clustered", "--run --bitmap=clustered"),
    ] {
        let words = ["x", "-l5", "--yes", "nvme0n1", "nvme1n1", "--", option];
        let (text, status) = dry_run(root.path(), &words);
        assert_eq!(status, 0, "{text}");
        assert!(text.contains(answer) && !text.contains(asks), "{text}");
    }
}

#[test]
fn what_only_some_versions_of_mdadm_refuse_is_left_to_mdadm() {
    let root = plant("split");
    free(root.path());
    for (name, node, is_warned_of) in [
        ("node1:pv2", "/dev/md/node1:pv2", true),
        ("größe", "'/dev/md/größe'", true),
        ("my raid", "'/dev/md/my raid'", true),
        ("plain-1.2_x", "/dev/md/plain-1.2_x", false),
        ("md1000000", "/dev/md1000000", false),
    ] {
        let (text, status) = dry_run(root.path(), &[name, "-l1", "nvme0n1", "nvme1n1"]);
        assert_eq!(status, 0, "{text}");
        let command = format!("mdadm --create {node} --level=1");
        assert!(text.contains(&command), "{text}");
        assert_eq!(
            text.contains("mdadm 4.3 and 4.4 refuse"),
            is_warned_of,
            "{text}"
        );
    }
}

#[test]
fn modules_that_are_not_loaded_are_a_part_of_the_plan() {
    let root = plant("split");
    free(root.path());
    fs::remove_dir_all(root.path().join("sys/module/md_p2p")).expect("md_p2p");
    let (text, status) = dry_run(root.path(), &["md5", "-l", "0", "nvme0n1", "nvme1n1"]);
    assert_eq!(status, 0, "{text}");
    assert!(
        text.contains("\n  modprobe -a md-p2p raid0-p2p\n"),
        "{text}"
    );
}

#[test]
fn what_is_in_use_is_refused_even_by_name() {
    let root = plant("switch");
    let words = ["x", "-l", "1", "--overwrite=nvme0n1", "nvme0n1", "nvme3n1"];
    let (text, status) = dry_run(root.path(), &words);
    assert_eq!(status, 1, "{text}");
    assert!(
        text.contains("nvme0n1 is a member of the array md0: a device in use is never taken"),
        "{text}"
    );
    assert!(!text.contains("This was a dry run"), "{text}");
    put(
        root.path(),
        "proc/self/mountinfo",
        "30 1 0:40 / /data rw - btrfs /dev/nvme3n1 rw\n",
    );
    let (text, status) = dry_run(root.path(), &["x", "-l", "1", "nvme3n1", "missing"]);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("nvme3n1 is mounted on /data"), "{text}");
}

#[test]
fn direct_can_be_required() {
    let root = plant("iommu");
    let pair = ["nvme2n1", "nvme3n1"];
    let require = |level: &str, more: &[&str]| {
        let mut words = vec!["x", "--require-direct", "--level", level];
        words.extend(more);
        words.extend(pair);
        dry_run(root.path(), &words)
    };
    for level in ["linear", "0", "1", "10"] {
        let (text, status) = require(level, &[]);
        assert_eq!(status, 0, "{text}");
    }
    let (text, status) = require("5", &[]);
    assert_eq!(status, 1, "{text}");
    assert!(
        text.contains("write with the memory of every provider: staged, parity needs the CPU"),
        "{text}"
    );
    // A refused write is not direct either.
    assert_eq!(require("1", &["--policy=off"]).1, 1);
    // Without a provider, nothing can be promised.
    for device in fs::read_dir(root.path().join("sys/bus/pci/devices")).expect("devices") {
        let memory = device.expect("a device").path().join("p2pmem");
        if memory.exists() {
            fs::remove_dir_all(memory).expect("p2pmem");
        }
    }
    let (text, status) = require("1", &[]);
    assert_eq!(status, 1, "{text}");
    assert!(
        text.contains("no device of this machine has p2pmem"),
        "{text}"
    );
}

#[test]
fn what_cannot_be_made_is_refused_with_a_reason() {
    let root = plant("iommu");
    put(root.path(), "sys/block/md7/md/array_state", "clean\n");
    put(root.path(), "sys/block/md8/md/array_state", "clear\n");
    put(root.path(), "sys/block/md8/md/p2pdma_state", "off\n");
    let pair = ["nvme2n1", "nvme3n1"];
    for (words, why) in [
        (
            &["x", "-l", "7", "nvme2n1"][..],
            "there is no such level; the levels are linear, 0",
        ),
        (
            &["x", "-l1", "nvme2n1"],
            "raid1 needs at least 2 members, but 1 is named",
        ),
        (
            &["x", "-l6", pair[0], pair[1], "missing"],
            "raid6 needs at least 4 members",
        ),
        (
            &["x", "-l1", "-n3", pair[0], pair[1]],
            "name more, or write `missing`",
        ),
        (
            &["x", "-l1", "-n1", pair[0], pair[1]],
            "make the others spares",
        ),
        (
            &["x", "-l1", "missing", "missing"],
            "all members are missing",
        ),
        (
            &["x", "-l0", pair[0], "missing"],
            "1 of 2 members is missing, but raid0 needs all of them",
        ),
        (
            &["x", "-l5", pair[0], "missing", "missing"],
            "2 of 3 members are missing, but raid5 needs all but 1",
        ),
        (
            &["x", "-l0", "--spare=nvme3n1", pair[0], pair[0]],
            "nothing that a spare could",
        ),
        (
            &["x", "-l1", pair[0], "/dev/nvme2n1"],
            "/dev/nvme2n1 is named twice",
        ),
        (
            &["x", "-l1", pair[0], pair[1], "--spare", pair[1]],
            "is named twice",
        ),
        (
            &["x", "-l10", "missing", "missing", pair[0], pair[1]],
            "members 0, 1 are missing, but only they have copies",
        ),
        (
            &["x", "-l10", pair[0], pair[1], "--", "--layout=f3"],
            "--layout f3: 2 members cannot hold 3 copies",
        ),
        (
            &["x", "-l10", pair[0], pair[1], "--", "-p", "left"],
            "--layout left: not a layout of raid10; use n2, f2",
        ),
        (
            &["x", "-l1", "--write-journal=nvme1n1", pair[0], pair[1]],
            "--write-journal: raid1 cannot have a journal; raid4, raid5 and raid6 can",
        ),
        (
            &["x", "-l1", pair[0], pair[1], "--", "--level=0"],
            "--level after `--`: mdp2p passes it to mdadm itself; use `--level` before `--`",
        ),
        (
            &["x", "-l1", pair[0], pair[1], "--", "-f", "/dev/nvme1n1"],
            "/dev/nvme1n1 after `--`: only options of mdadm go there; name members before `--`",
        ),
        (
            &["x", "-l1", pair[0], pair[1], "--", "--add"],
            "--add after `--`: not an option for making arrays",
        ),
        (
            &["x", "-l1", pair[0], "nvme9n1"],
            "nvme9n1: there is no such device",
        ),
        (
            &["x", "-l1", "--overwrite=nvme0n1", pair[0], pair[1]],
            "not a device of the array",
        ),
        (
            &["x", "-l1", "--provider=0000:09:00.0", pair[0], pair[1]],
            "the devices that do are 0000:01:00.0, ",
        ),
        (&["md0", "-l1", pair[0], pair[1]], "the array md0 is clean"),
        (
            &["/dev/md/data", "-l1", pair[0], pair[1]],
            "the array md0 is clean",
        ),
        (
            &["md7", "-l1", pair[0], pair[1]],
            "md7 is an array of the kernel's md",
        ),
        (
            &["/dev/md/7", "-l1", pair[0], pair[1]],
            "md7 is an array of the kernel's md",
        ),
        (
            &["/dev/nvme1n1", "-l1", pair[0], pair[1]],
            "not a name for an array",
        ),
        (
            &["md1048576", "-l1", pair[0], pair[1]],
            "no array can have this number; the last one is 1048575",
        ),
        (
            &["x", "-l0", "--bitmap=internal", pair[0], pair[1]],
            "--bitmap internal: raid0 has no redundancy, so it has no bitmap",
        ),
        (
            &[
                "x",
                "-l1",
                "--bitmap=none",
                pair[0],
                pair[1],
                "--",
                "-b",
                "internal",
            ],
            "--bitmap is given twice",
        ),
        (
            &[
                "x",
                "-l5",
                "--bitmap=internal",
                pair[0],
                pair[1],
                "--",
                "-k",
                "ppl",
            ],
            "--bitmap contradicts the consistency policy, which is ppl",
        ),
        (
            &["../x", "-l1", pair[0], pair[1]],
            "not a name for an array",
        ),
        (&["", "-l1", pair[0], pair[1]], "not a name for an array"),
    ] {
        let (text, status) = dry_run(root.path(), words);
        assert_eq!(status, 1, "{words:?}: {text}");
        assert!(text.contains(why), "{words:?}: {text}");
        assert!(!text.contains("mdadm --create"), "{words:?}: {text}");
    }
    // A node that was opened is no array until it runs.
    let (text, status) = dry_run(root.path(), &["md8", "-l1", pair[0], pair[1]]);
    assert_eq!(status, 0, "{text}");
    let (text, status) = dry_run(root.path(), &["x", "-l1", pair[0], "--", "--force"]);
    assert_eq!(status, 0, "{text}");
}

#[test]
fn sizes_partitions_and_read_only_drives_are_looked_at() {
    let root = plant("iommu");
    let at = "sys/class/block";
    let pair = ["x", "-l1", "nvme2n1", "nvme3n1"];
    let size = fs::read_to_string(root.path().join(at).join("nvme2n1/size")).expect("a size");
    put(root.path(), &format!("{at}/nvme3n1/size"), "8191\n");
    let (text, status) = dry_run(root.path(), &pair);
    assert_eq!(status, 1);
    assert!(text.contains("/dev/nvme3n1 is too small"), "{text}");
    put(root.path(), &format!("{at}/nvme3n1/size"), "8192\n");
    let (text, status) = dry_run(root.path(), &pair);
    assert_eq!(status, 0, "{text}");
    assert!(
        text.contains("of nvme2n1 only 4 MiB is used, which is"),
        "{text}"
    );
    put(root.path(), &format!("{at}/nvme3n1/size"), "many\n");
    let (text, status) = dry_run(root.path(), &pair);
    assert_eq!(status, 1);
    assert!(
        text.contains("nvme3n1/size: `many` cannot be understood"),
        "{text}"
    );
    put(root.path(), &format!("{at}/nvme3n1/size"), size);
    put(root.path(), &format!("{at}/nvme3n1/ro"), "1\n");
    let (text, status) = dry_run(root.path(), &pair);
    assert_eq!(status, 1);
    assert!(text.contains("/dev/nvme3n1 is read-only"), "{text}");

    let disk = fs::canonicalize(root.path().join(at).join("nvme2n1")).expect("a disk");
    for (name, number) in [("nvme2n1p1", "300:1"), ("nvme2n1p2", "300:2")] {
        for (file, content) in [("dev", number), ("size", "8192"), ("partition", "1")] {
            put(&disk, &format!("{name}/{file}"), content);
        }
        let disk = disk.strip_prefix(root.path()).expect("it is in there");
        let target = Path::new("../../..").join(disk).join(name);
        std::os::unix::fs::symlink(target, root.path().join(at).join(name)).expect("a link");
    }
    let (text, status) = dry_run(root.path(), &["x", "-l1", "nvme2n1", "nvme2n1p1"]);
    assert_eq!(status, 1);
    assert!(
        text.contains("/dev/nvme2n1p1 is a partition of nvme2n1, which is named too"),
        "{text}"
    );
    let (text, status) = dry_run(root.path(), &["x", "-l1", "nvme2n1p1", "nvme2n1p2"]);
    assert_eq!(status, 0, "{text}");
    assert!(
        text.contains("nvme2n1p1, nvme2n1p2 are all behind one controller"),
        "{text}"
    );
}

#[test]
fn protection_information_keeps_rebuilds_in_host_memory() {
    let root = plant("iommu");
    let words = ["x", "-l1", "nvme2n1", "nvme3n1"];
    let path = "sys/class/block/nvme3n1/integrity/format";
    put(root.path(), path, "none\n");
    let outcome = |root| plan(root, &words).forecasts[0].rebuild.outcome;
    assert_eq!(outcome(root.path()), Outcome::Peer);
    put(root.path(), path, "T10-DIF-TYPE1-CRC\n");
    assert_eq!(outcome(root.path()), Outcome::Host);
}

#[test]
fn the_policy_of_new_arrays_is_the_modules() {
    let root = plant("iommu");
    let path = "sys/module/md_p2p/parameters/p2pdma_policy";
    let words = ["x", "-l1", "nvme2n1", "nvme3n1"];
    put(root.path(), path, "off\n");
    let off = plan(root.path(), &words);
    assert_eq!((off.policy, off.state), (Policy::Off, State::Off));
    assert!(off.settings.is_empty());
    let mut auto = words.to_vec();
    auto.push("--policy=auto");
    assert_eq!(plan(root.path(), &auto).state, State::Direct);
    put(root.path(), path, "maybe\n");
    let (text, status) = dry_run(root.path(), &words);
    assert_eq!(status, 1);
    assert!(
        text.contains("p2pdma_policy: `maybe` cannot be understood"),
        "{text}"
    );
}

#[test]
fn another_machine_can_only_be_planned_for() {
    let root = plant("iommu");
    mdp2p()
        .arg("--sysroot")
        .arg(root.path())
        .args(["create", "x", "-l1", "nvme2n1", "nvme3n1", "--yes"])
        .assert()
        .code(1)
        .stderr(predicates::str::contains("leave --sysroot out"));
}

#[test]
fn who_is_not_root_is_told_so_before_anything_is_done() {
    let (_folder, mut command) = nobody::mdp2p();
    command
        .args(["create", "x", "--level", "1", "/nowhere", "--yes"])
        .assert()
        .code(1)
        .stdout("")
        .stderr(predicates::str::contains(
            "only root can make arrays: run it with sudo",
        ));
}

#[test]
fn wrong_usage_ends_with_2() {
    for words in [
        &["create"][..],
        &["create", "md0", "nvme0n1"],
        &["create", "md0", "--level", "1"],
        &["create", "md0", "--level", "1", "nvme0n1", "--nonsense"],
        &[
            "create", "md0", "--level", "1", "nvme0n1", "--policy", "maybe",
        ],
        &[
            "create",
            "md0",
            "--level",
            "1",
            "nvme0n1",
            "--provider",
            "nvme0",
        ],
        &[
            "create",
            "md0",
            "--level",
            "1",
            "nvme0n1",
            "--raid-devices",
            "-1",
        ],
    ] {
        mdp2p().args(words).assert().code(2).stdout("");
    }
    mdp2p()
        .args(["create", "--help"])
        .assert()
        .success()
        .stdout(predicates::str::contains("Examples:"));
}

#[test]
fn a_pipe_that_nobody_reads_is_no_failure_of_a_dry_run() {
    let root = plant("iommu");
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("mdp2p"))
        .arg("--sysroot")
        .arg(root.path())
        .args(["create", "x", "-l1", "nvme2n1", "nvme3n1", "--dry-run"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("mdp2p");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("its end");
    assert!(output.status.success());
    assert!(output.stderr.is_empty());
}
