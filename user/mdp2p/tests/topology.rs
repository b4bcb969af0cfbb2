// SPDX-License-Identifier: GPL-2.0
//! Tests `mdp2p topology`: the text, the JSON and the drawing of captured and made-up machines.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;

use anstream::adapter::strip_str;
use assert_cmd::Command;
use mdp2p::commands::topology::svg;
use mdp2p::commands::topology::text;
use mdp2p::commands::topology::tree::Tree;
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::config::{Acs, Kind};
use mdp2p_machine::pci::devices::{Bar, Device, Devices, P2pmem};
use mdp2p_machine::sysroot::Sysroot;
use predicates::prelude::*;
use proptest::prelude::*;
use serde_json::Value;

mod common;
#[path = "common/pcie.rs"]
mod machine;

use machine::{DOWNSTREAM, Machine, ROOT_PORT, UPSTREAM, config, modalias};

const TREES: [&str; 5] = ["split", "switch", "paths", "mixed", "iommu"];

/// Paths below `sys/devices`.
const SWITCH: &str = "pci0000:00/0000:00:01.0/0000:01:00.0";
const NEAR0: &str = "pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:00.0/0000:03:00.0";
const NEAR1: &str = "pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:01.0/0000:04:00.0";
const FAR: &str = "pci0000:00/0000:00:02.0/0000:05:00.0";

/// Prepares the command.
fn mdp2p(root: &Path, options: &[&str]) -> Command {
    let mut command = Command::cargo_bin("mdp2p").expect("mdp2p");
    command
        .arg("--sysroot")
        .arg(root)
        .arg("topology")
        .args(options);
    command
}

/// Runs the command, which has to succeed, and returns what it prints: no line over 80 columns.
fn shown(root: &Path, options: &[&str]) -> String {
    let output = mdp2p(root, options).assert().success().stderr("");
    let text = String::from_utf8(output.get_output().stdout.clone()).expect("UTF-8");
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert_eq!(line.trim_end(), line);
    }
    text
}

/// Returns the words of a text, wherever the lines end.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns the JSON that the command prints, after comparing it with the schema.
fn json(root: &Path, options: &[&str]) -> Value {
    let options: Vec<&str> = options.iter().copied().chain(["--json"]).collect();
    let output = mdp2p(root, &options).assert().success().stderr("");
    let value = serde_json::from_slice(&output.get_output().stdout).expect("JSON");
    let schema = serde_json::from_str(include_str!("../schema/topology.json")).expect("a schema");
    let schema = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<String> = schema
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path))
        .collect();
    assert_eq!(errors, [""; 0]);
    value
}

/// Makes up a switch with two drives, the first of which has a CMB, and a drive behind a root port
/// of its own. `acs` is the ACS control of the switch's ports.
fn machine(acs: Option<u8>) -> Machine {
    let machine = Machine::new();
    machine.port("pci0000:00/0000:00:01.0", ROOT_PORT, Some(0x1d));
    machine.port("pci0000:00/0000:00:02.0", ROOT_PORT, Some(0x1d));
    machine.port(SWITCH, UPSTREAM, None);
    machine.port(&format!("{SWITCH}/0000:02:00.0"), DOWNSTREAM, acs);
    machine.port(&format!("{SWITCH}/0000:02:01.0"), DOWNSTREAM, acs);
    machine.drive(NEAR0, 0, Some(64));
    machine.drive(NEAR1, 1, None);
    machine.drive(FAR, 2, None);
    machine
}

#[test]
fn drives_hang_on_their_switch_and_the_matrix_tells_who_reaches_whom() {
    let machine = machine(Some(0));
    machine.array("md0", &[("nvme0n1", None), ("nvme1n1", None)]);
    let expected = "\
host bridge pci0000:00
├─00:01.0 root port  ACS redirects
│ └─01:00.0 switch  8086:29c0
│   ├─02:00.0 port
│   │ └─03:00.0 nvme0n1  Examplary Flash 9000  1 TiB  CMB 64 MiB published  md0
│   └─02:01.0 port
│     └─04:00.0 nvme1n1  Examplary Flash 9000  1 TiB  md0
└─00:02.0 root port  ACS redirects
  └─05:00.0 nvme2n1  Examplary Flash 9000  1 TiB
Left out (no drive, p2pmem or large BAR): 1 device. --all shows all.

Who reaches whose memory (rows: providers, columns: clients)

       nvme0      nvme1      nvme2
nvme0  ~0 direct  ~4 direct  ~no [1]

direct: from port to port of a switch, or within the device. The number is the
kernel's distance.
no: not possible.
Numbers in brackets refer to the reasons below.
~: worked out by mdp2p from the kernel's rules. The rest is what the running
kernel says (md-p2p, about the members of its arrays).
What is staged is probably copied by the CPU, because the machine has no DMA
engine for copies of memory.

1  The path leads through a host bridge that the kernel does not trust:
   pci0000:00 (8086:29c0).
   Put provider and client below the same switch, or use a machine whose host
   bridge is on the kernel's list: AMD Zen and later, Intel Xeon Scalable and
   later.
";
    assert_eq!(shown(machine.root(), &[]), expected);
}

#[test]
fn acs_of_a_device_is_known_if_it_has_a_driver() {
    let machine = machine(None);
    let redirects = config(None, Some(0x1d));
    machine.device("pci0000:00/0000:00:1e.0", 0x088000, &redirects);
    machine.device("pci0000:00/0000:00:1f.0", 0x088000, &redirects);
    machine.link(
        "sys/devices/pci0000:00/0000:00:1f.0/driver",
        "sys/bus/pci/drivers/somebody",
    );
    let topology = json(machine.root(), &["--all"]);
    let devices = topology["devices"].as_array().expect("devices");
    let acs = |address: &str| {
        let device = devices.iter().find(|device| device["address"] == address);
        device.expect("there")["acs"].clone()
    };
    assert_eq!(
        (acs("0000:00:1e.0"), acs("0000:00:1f.0")),
        ("unknown".into(), "redirects".into())
    );
}

#[test]
fn ports_that_redirect_are_marked_and_the_parameter_that_stops_it_is_told() {
    let machine = machine(Some(0x1d));
    let text = shown(machine.root(), &[]);
    assert!(text.contains("├─02:00.0 port  ACS redirects\n"), "{text}");
    assert!(
        text.contains("nvme0  ~0 direct  ~no [1,2]  ~no [2]\n"),
        "{text}"
    );
    // The root ports do not matter, because they are above the switch.
    assert!(
        text.contains("     pci=disable_acs_redir=02:00.0;02:01.0\n"),
        "{text}"
    );
    assert!(
        text.contains("no longer isolated from each other"),
        "{text}"
    );
    assert!(text.contains("No IOMMU is on"), "{text}");
    machine.link(
        "sys/bus/pci/devices/0000:02:01.0/iommu_group",
        "sys/kernel/iommu_groups/7",
    );
    let text = shown(machine.root(), &[]);
    assert!(
        text.contains("An IOMMU is on, so the kernel sets"),
        "{text}"
    );
    assert!(
        flat(&text).contains("iommu=pt does not change that"),
        "{text}"
    );
}

#[test]
fn many_ports_are_named_by_what_they_are() {
    let machine = machine(Some(0x1d));
    for number in 2..20 {
        let port = format!("{SWITCH}/0000:02:{number:02x}.0");
        machine.port(&port, DOWNSTREAM, Some(0x1d));
        let bus = 0x10 + number;
        machine.drive(&format!("{port}/0000:{bus:02x}:00.0"), 10 + number, None);
    }
    let text = shown(machine.root(), &[]);
    assert!(
        text.contains("     pci=disable_acs_redir=pci:8086:29c0\n"),
        "{text}"
    );
    assert!(text.contains("02:07.0 and 12 more."), "{text}");
    assert!(text.contains("       nvme0+19   nvme2\n"), "{text}");
    assert!(
        flat(&text).contains("also reach their own memory directly"),
        "{text}"
    );
    assert!(
        text.contains("column nvme0+19: nvme0, nvme1, nvme12-nvme29\n"),
        "{text}"
    );
}

#[test]
fn a_processor_that_is_trusted_lets_it_through_the_host_bridge() {
    let machine = machine(Some(0x1d));
    let zen = "vendor_id\t: AuthenticAMD\ncpu family\t: 25\n";
    machine.put("proc/cpuinfo", zen);
    let text = shown(machine.root(), &[]);
    let row = "nvme0  ~0 direct  ~4 bridge [1]  ~6 bridge\n";
    assert!(text.contains(row), "{text}");
    assert!(text.contains("1  ACS redirects requests"), "{text}");
}

#[test]
fn what_the_kernel_says_is_taken_before_what_is_worked_out() {
    let machine = machine(Some(0));
    machine.array(
        "md0",
        &[
            ("nvme0n1", Some("0000:03:00.0 0\n")),
            // This contradicts the rules, so that it shows whose word counts.
            ("nvme2n1", Some("0000:03:00.0 9\n")),
        ],
    );
    let text = shown(machine.root(), &[]);
    let row = "nvme0  0 direct  ~4 direct  9 bridge [1]\n";
    assert!(text.contains(row), "{text}");
    assert!(
        text.contains("1  The kernel says so, contrary to its rules"),
        "{text}"
    );
    let json = json(machine.root(), &[]);
    let pairs = json["reach"].as_array().expect("pairs");
    let sources: Vec<&str> = pairs
        .iter()
        .map(|pair| pair["source"].as_str().expect("a source"))
        .collect();
    assert_eq!(sources, ["kernel", "computed", "kernel"]);
}

#[test]
fn the_farthest_of_several_paths_is_not_taken_for_each_of_them() {
    let machine = machine(Some(0));
    let subsystem = "sys/devices/virtual/nvme-subsystem/nvme-subsys1";
    fs::remove_dir_all(
        machine
            .root()
            .join(format!("sys/devices/{NEAR1}/nvme/nvme1/nvme1n1")),
    )
    .expect("a namespace");
    fs::remove_file(machine.root().join("sys/class/block/nvme1n1")).expect("its link");
    machine.disk(&format!("{subsystem}/nvme1n1"));
    machine.link(
        &format!("{subsystem}/nvme1"),
        &format!("sys/devices/{NEAR1}/nvme/nvme1"),
    );
    machine.link(
        &format!("{subsystem}/nvme2"),
        &format!("sys/devices/{FAR}/nvme/nvme2"),
    );
    machine.array("md0", &[("nvme1n1", Some("0000:03:00.0 unreachable\n"))]);
    let text = shown(machine.root(), &[]);
    assert!(
        text.contains("nvme0  ~0 direct  ~4 direct  ~no [1]\n"),
        "{text}"
    );
    let near = "04:00.0 nvme1n1  Examplary Flash 9000  1 TiB  md0  also at 05:00.0\n";
    assert!(text.contains(near), "{text}");
}

#[test]
fn without_config_space_it_says_that_only_root_can_see() {
    let machine = machine(Some(0x1d));
    for port in [
        "0000:00:01.0",
        "0000:01:00.0",
        "0000:02:00.0",
        "0000:02:01.0",
    ] {
        let path = format!("sys/bus/pci/devices/{port}/config");
        let path = machine.root().join(path);
        let config = fs::read(&path).expect("config space");
        fs::write(&path, &config[..64]).expect("a part of it");
    }
    let text = shown(machine.root(), &[]);
    assert!(
        text.contains("It was not captured which ports have ACS redirect."),
        "{text}"
    );
    let json = json(machine.root(), &[]);
    assert_eq!(json["devices"][0]["acs"], "unknown");
}

#[test]
fn a_machine_without_pci_has_a_sentence() {
    let root = tempfile::tempdir().expect("a folder");
    fs::create_dir(root.path().join("sys")).expect("sys");
    let unknown = "PCI devices were not captured.\n";
    assert_eq!(shown(root.path(), &[]), unknown);
    fs::create_dir_all(root.path().join("sys/bus/pci/devices")).expect("no device");
    let none = "No PCI device in /sys/bus/pci/devices.\n";
    assert_eq!(shown(root.path(), &[]), none);
    assert_eq!(json(root.path(), &[])["devices"], Value::Array(Vec::new()));
}

#[test]
fn without_a_provider_there_is_no_matrix_but_a_sentence() {
    let machine = Machine::new();
    let text = shown(machine.root(), &[]);
    assert!(
        text.starts_with("No NVMe drive, and no device with p2pmem"),
        "{text}"
    );
    assert!(
        text.contains("There is no provider: no device has"),
        "{text}"
    );
    // A pool without memory is none.
    machine.port("pci0000:00/0000:00:02.0", ROOT_PORT, None);
    machine.drive(FAR, 0, None);
    machine.memory(FAR, 0, 0, true);
    let text = shown(machine.root(), &[]);
    assert!(text.contains("  CMB empty\n"), "{text}");
    assert!(text.contains("There is no provider"), "{text}");
    assert!(!text.contains("direct"), "{text}");
    let json = json(machine.root(), &[]);
    assert_eq!(json["reach"], Value::Array(Vec::new()));
}

#[test]
fn memory_that_is_not_published_can_be_reached_all_the_same() {
    let machine = machine(Some(0));
    let published = shown(machine.root(), &[]);
    machine.memory(NEAR0, 64 << 20, 64 << 20, false);
    let text = shown(machine.root(), &[]);
    assert!(text.contains("CMB 64 MiB not published"), "{text}");
    let row = "\nnvme0  ~0 direct  ~4 direct  ~no [1]\n";
    assert!(published.contains(row) && text.contains(row), "{text}");
    let borrow = "rebuilds, verify and bench cannot borrow it";
    assert!(flat(&text).contains(borrow), "{text}");
    assert!(!flat(&published).contains(borrow), "{published}");
    let json = json(machine.root(), &[]);
    assert_eq!(json["reach"].as_array().map(Vec::len), Some(3));
    let texts = texts(&drawing(machine.root(), &[]));
    let cell = |text: &String| text.trim() == "~4 direct";
    assert!(texts.iter().any(cell), "{texts:?}");
}

#[test]
fn garbage_in_sysfs_costs_its_device_and_names_the_file() {
    for (file, content, why) in [
        (
            "resource",
            "0x0 0x0 0x0\n12 zz 0\n",
            "`12 zz 0` cannot be understood",
        ),
        ("resource", "0x0 0x0\n", "start, end and flags are wanted"),
        ("modalias", "\u{7f}\n", "cannot be understood"),
        ("modalias", "pci:v00008086", "cannot be understood"),
        ("modalias", "pci:v0001B36Kd00000010", "cannot be understood"),
        ("p2pmem/size", "-3\n", "`-3` cannot be understood"),
    ] {
        let machine = machine(None);
        let path = format!("sys/bus/pci/devices/0000:03:00.0/{file}");
        machine.put(&path, content);
        let named = predicate::str::contains(format!("{path}: "));
        mdp2p(machine.root(), &[])
            .assert()
            .code(1)
            .stdout(predicate::str::contains("nvme1n1"))
            .stderr(named.and(predicate::str::contains(why)));
    }
    let machine = machine(None);
    machine.put("sys/bus/pci/devices/nonsense/modalias", "");
    mdp2p(machine.root(), &[])
        .assert()
        .code(1)
        .stderr(predicate::str::contains("sys/bus/pci/devices: `nonsense`"));
}

#[test]
fn a_pipe_that_nobody_reads_is_no_error() {
    let machine = machine(None);
    for options in [&[][..], &["--json"]] {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        drop(ours);
        let status = std::process::Command::new(assert_cmd::cargo::cargo_bin("mdp2p"))
            .arg("--sysroot")
            .arg(machine.root())
            .arg("topology")
            .args(options)
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .stderr(Stdio::piped())
            .output()
            .expect("mdp2p");
        assert!(status.status.success(), "{options:?}: {status:?}");
        assert_eq!(String::from_utf8_lossy(&status.stderr), "");
    }
}

#[test]
fn what_is_not_understood_is_an_error_of_use() {
    let machine = machine(None);
    for options in [&["--sgv", "x"][..], &["--svg"], &["md0"]] {
        mdp2p(machine.root(), options).assert().code(2).stdout("");
    }
    let help = mdp2p(machine.root(), &["--help"]).assert().success();
    help.stdout(predicate::str::contains("--svg <FILE>"));
}

#[test]
fn all_devices_are_shown_when_asked_for() {
    let machine = machine(None);
    machine.device("pci0000:00/0000:00:1f.2", 0x010601, &config(None, None));
    let few = shown(machine.root(), &[]);
    assert!(few.contains("large BAR): 2 devices. --all"), "{few}");
    assert!(!few.contains("00:1f.2"), "{few}");
    let all = shown(machine.root(), &["--all"]);
    assert!(all.contains("└─00:1f.2 device  8086:29c0\n"), "{all}");
    assert!(!all.contains("Left out"), "{all}");
    let json = json(machine.root(), &["--all"]);
    assert_eq!(json["devices"].as_array().map(Vec::len), Some(10));
    assert_eq!(json["left_out"]["devices"], 0);
}

#[test]
fn disks_show_the_arrays_on_their_partitions_and_on_what_is_made_of_them() {
    let machine = machine(None);
    let near0 = format!("sys/devices/{NEAR0}/nvme/nvme0");
    machine.disk(&format!("{near0}/nvme0n1/nvme0n1p2"));
    machine.disk(&format!("{near0}/nvme0n2"));
    machine.disk("sys/devices/virtual/block/dm-0");
    machine.put(
        "sys/devices/virtual/block/dm-0/slaves/nvme1n1/size",
        "2147483648\n",
    );
    machine.array("md0", &[("nvme0n1p2", None), ("dm-0", None)]);
    machine.array("md1", &[("nvme0n2", None), ("nvme2n1", None)]);
    machine.put("sys/block/md1/md/dev-nvme2n1/state", "faulty\n");
    let text = shown(machine.root(), &[]);
    for words in [
        "03:00.0 nvme0  ",
        "nvme0n1 1 TiB  md0 on nvme0n1p2",
        "nvme0n2 1 TiB  md1\n",
        "04:00.0 nvme1n1  Examplary Flash 9000  1 TiB  md0 on dm-0\n",
        "05:00.0 nvme2n1  Examplary Flash 9000  1 TiB  md1 faulty\n",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!text.contains("nvme0n1p2 1 TiB"), "{text}");
}

#[test]
fn a_gpu_has_its_name_and_its_large_bar_and_reaches_nobody_without_p2pmem() {
    let machine = machine(None);
    let gpu = "pci0000:00/0000:00:03.0/0000:41:00.0";
    machine.port("pci0000:00/0000:00:03.0", ROOT_PORT, None);
    machine.device(gpu, 0x030200, &config(None, None));
    let alias = modalias(0x10de, 0x20b5, 0x030200);
    machine.put(&format!("sys/devices/{gpu}/modalias"), alias);
    machine.put(
        &format!("sys/devices/{gpu}/resource"),
        "0xfd000000 0xfdffffff 0x40200\n0x38000000000 0x383ffffffff 0x14220c\n",
    );
    let line = |text: &str| -> String {
        let line = text.lines().find(|line| line.contains("41:00.0"));
        line.expect("the GPU")
            .trim_start_matches(['├', '└', '─', '│', ' '])
            .to_owned()
    };
    let text = shown(machine.root(), &[]);
    assert_eq!(
        line(&text),
        "41:00.0 GPU  10de:20b5  BAR 16 GiB without p2pmem"
    );
    assert!(
        text.contains("       nvme0      nvme1      nvme2\n"),
        "{text}"
    );
    machine.put(
        "usr/share/misc/pci.ids",
        "10de  NVIDIA Corporation\n\t20b5  GA100 [A100 PCIe 80GB]\n",
    );
    machine.memory(gpu, 8 << 30, 8 << 30, true);
    let text = shown(machine.root(), &[]);
    assert_eq!(
        line(&text),
        "41:00.0 GPU  NVIDIA A100 PCIe 80GB  p2pmem 8 GiB published  BAR 16 GiB"
    );
    assert!(text.contains("\n41:00.0  ~no [1]"), "{text}");
}

#[test]
fn drives_that_hang_alike_share_a_row_and_a_column() {
    let machine = Machine::new();
    let mut number = 0;
    for switch in 0..3 {
        let root = format!("pci0000:00/0000:00:{:02x}.0", switch + 1);
        machine.port(&root, ROOT_PORT, None);
        let bus = 0x10 * (switch + 1);
        let up = format!("{root}/0000:{bus:02x}:00.0");
        machine.port(&up, UPSTREAM, None);
        for port in 0..6 {
            let down = format!("{up}/0000:{:02x}:{port:02x}.0", bus + 1);
            machine.port(&down, DOWNSTREAM, Some(0));
            let drive = format!("{down}/0000:{:02x}:00.0", bus + 2 + port);
            machine.drive(&drive, number, (switch == 0).then_some(16));
            number += 1;
        }
    }
    let text = shown(machine.root(), &[]);
    let matrix = "
         nvme0+5    nvme6+11
nvme0+5  ~4 direct  ~no [1]

nvme0+5: nvme0-nvme5
column nvme6+11: nvme6-nvme17
";
    assert!(text.contains(matrix), "{text}");
    // The kernel's word about one drive sets the drive apart.
    let told: String = (0..6)
        .map(|at| format!("0000:{:02x}:00.0 4\n", 0x12 + at))
        .collect();
    machine.array("md0", &[("nvme7n1", Some(&told))]);
    let text = shown(machine.root(), &[]);
    let matrix = "
         nvme0+5    nvme6+10  nvme7
nvme0+5  ~4 direct  ~no [1]   4 bridge [2]
";
    assert!(text.contains(matrix), "{text}");
    // The kernel knows some of the providers only, so each of these has a row.
    machine.put(
        "sys/block/md0/md/dev-nvme7n1/p2pdma_distance",
        "0000:12:00.0 4\n0000:13:00.0 unreachable\n",
    );
    let text = shown(machine.root(), &[]);
    assert!(text.contains("\nnvme0    ~"), "{text}");
    assert!(text.contains("\nnvme1    ~"), "{text}");
    let nvme0 = text
        .lines()
        .find(|line| line.starts_with("nvme0  "))
        .expect("nvme0");
    assert!(nvme0.ends_with("4 bridge [2]"), "{nvme0}");
}

#[test]
fn many_clients_are_broken_into_blocks() {
    let machine = Machine::new();
    for number in 0..16 {
        let root = format!("pci0000:00/0000:00:{:02x}.0", number + 1);
        machine.port(&root, ROOT_PORT, None);
        let cmb = (number == 3).then_some(16);
        machine.drive(&format!("{root}/0000:{:02x}:00.0", number + 1), number, cmb);
    }
    let text = shown(machine.root(), &[]);
    let heads: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("       nvme"))
        .collect();
    assert_eq!(heads.len(), 2, "{text}");
    let labels: Vec<&str> = heads
        .iter()
        .flat_map(|line| line.split_whitespace())
        .collect();
    let expected: Vec<String> = (0..16).map(|number| format!("nvme{number}")).collect();
    assert_eq!(labels, expected);
    assert_eq!(text.matches("\nnvme3  ").count(), 2, "{text}");
}

#[test]
fn captured_trees_are_shown_with_what_their_kernel_said() {
    for name in TREES {
        let tree = common::plant(name);
        let text = shown(tree.path(), &[]);
        assert!(
            text.contains("QEMU NVMe Ctrl") || text.contains("QEMU N"),
            "{text}"
        );
        assert!(text.contains("  md0\n"), "{text}");
        let json = json(tree.path(), &[]);
        let pairs = json["reach"].as_array().expect("pairs");
        let kernel = pairs.iter().filter(|pair| pair["source"] == "kernel");
        assert!(kernel.count() >= 4, "{name}");
        let reasons = json["reasons"].to_string();
        assert!(
            !reasons.contains("kernel-disagrees"),
            "{name}: the rules are not the kernel's: {pairs:?}"
        );
        shown(tree.path(), &["--all"]);
    }
}

/// Returns the drawing of a machine.
fn drawing(root: &Path, options: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("machine.svg");
    let options: Vec<&str> = options
        .iter()
        .copied()
        .chain(["--svg", file.to_str().expect("UTF-8")])
        .collect();
    mdp2p(root, &options)
        .assert()
        .success()
        .stdout(format!("{}: drawn\n", file.display()));
    let left: Vec<_> = fs::read_dir(folder.path()).expect("a folder").collect();
    assert_eq!(left.len(), 1, "the drawing and nothing else: {left:?}");
    let mode = fs::metadata(&file).expect("a file").permissions().mode();
    assert_eq!(mode & 0o111, 0);
    assert_ne!(mode & 0o600, 0);
    fs::read_to_string(&file).expect("UTF-8")
}

/// Returns all text in a drawing, which has to be well-formed.
fn texts(svg: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(svg).expect("well-formed XML");
    document
        .descendants()
        .filter(|node| node.has_tag_name("text"))
        .map(|node| node.text().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn the_drawing_is_well_formed_and_has_everything_on_it() {
    let machine = machine(Some(0x1d));
    machine.array("md0", &[("nvme0n1", None), ("nvme1n1", None)]);
    machine.put(
        &format!("sys/devices/{NEAR0}/nvme/nvme0/model"),
        "A <fast> & \u{1b}[31m one\n",
    );
    let texts = texts(&drawing(machine.root(), &[]));
    let all = texts.join("\n");
    for words in [
        "host bridge pci0000:00",
        "01:00.0 switch",
        "03:00.0 nvme0n1",
        "A <fast> & \\u{1b}[31m",
        "CMB 64 MiB published",
        "below 02:00.0 port, ACS",
        "md0 raid10",
        "~no [1,2]",
        "pci=disable_acs_redir=02:00.0;02:01.0",
    ] {
        assert!(all.contains(words), "{words}: {all}");
    }
    assert!(!texts.iter().any(|text| text.contains('\u{1b}')));
    for name in TREES {
        self::texts(&drawing(common::plant(name).path(), &["--all"]));
    }
}

#[test]
fn a_drawing_that_cannot_be_written_leaves_everything_as_it_was() {
    let machine = machine(None);
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    mdp2p(machine.root(), &["--svg", &path("none/machine.svg")])
        .assert()
        .code(1)
        .stderr(predicate::str::contains("there is no folder"));
    mdp2p(machine.root(), &["--svg", &path("")])
        .assert()
        .code(1)
        .stderr(predicate::str::contains(
            "is not a file, so a drawing cannot replace it",
        ));
    // /dev/null stays what it is.
    mdp2p(machine.root(), &["--svg", "/dev/null"])
        .assert()
        .code(1);
    assert!(!fs::metadata("/dev/null").expect("/dev/null").is_file());
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[test]
fn a_drawing_replaces_an_old_one_and_keeps_a_link() {
    let machine = machine(None);
    let folder = tempfile::tempdir().expect("a folder");
    let (old, link) = (
        folder.path().join("old.svg"),
        folder.path().join("link.svg"),
    );
    fs::write(&old, "old").expect("a file");
    std::os::unix::fs::symlink("old.svg", &link).expect("a link");
    mdp2p(
        machine.root(),
        &["--svg", link.to_str().expect("UTF-8"), "--json"],
    )
    .assert()
    .success()
    .stdout(predicate::str::starts_with("{\n"));
    assert!(fs::symlink_metadata(&link).expect("a link").is_symlink());
    texts(&fs::read_to_string(&old).expect("a drawing"));
}

/// Makes up an address.
fn address(number: usize) -> Bdf {
    Bdf {
        domain: u32::from(number % 7 == 0) * 0x10000,
        bus: (number / 256) as u8,
        device: (number / 8 % 32) as u8,
        function: (number % 8) as u8,
    }
}

/// Makes up a device anywhere, even below itself or below a device that does not exist.
fn anything(number: usize, parent: usize, what: u8) -> Device {
    let kinds = [
        Kind::RootPort,
        Kind::UpstreamPort,
        Kind::DownstreamPort,
        Kind::Bridge,
        Kind::Nvme,
        Kind::Gpu,
        Kind::Other,
    ];
    let acs = [Acs::None, Acs::Off, Acs::Redirects, Acs::Unknown];
    let memory = (what % 11 == 0).then_some(P2pmem {
        bytes: 1 << 24,
        available_bytes: 1 << 20,
        published: what % 2 == 0,
    });
    Device {
        address: address(number),
        parent: (parent > 0).then(|| address(parent - 1)),
        host_bridge: ["pci0000:00", "pci0000:80", ""][number % 3].to_owned(),
        vmd: None,
        vendor: 0x8086,
        device: 0x29c0,
        class: 0,
        kind: kinds[usize::from(what) % kinds.len()],
        driver: (what % 5 == 0).then(|| "x".repeat(usize::from(what))),
        bars: vec![Bar {
            index: 0,
            start: 0,
            bytes: 1 << (10 + what % 30),
            prefetchable: true,
            wide: true,
        }],
        p2pmem: memory,
        acs: acs[usize::from(what / 7) % acs.len()],
    }
}

/// Returns the lines of a device in the tree.
fn lines_of(tree: &str, address: Bdf) -> impl Iterator<Item = &str> {
    let start = format!("{} ", address.short());
    tree.lines().filter(move |line| {
        let bare = line.trim_start_matches(['├', '└', '─', '│', '…', ' ']);
        bare.starts_with(&start)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_device_of_interest_has_one_line_wherever_it_hangs(
        parts in prop::collection::vec((0_usize..120, any::<u8>()), 0..100),
        chain in any::<bool>(),
        width in 60_usize..200,
    ) {
        let devices = parts.iter().enumerate().map(|(number, &(parent, what))| {
            // Either below any device, or each below the one before it.
            anything(number, if chain { number } else { parent }, what)
        });
        let devices = Devices::of(devices);
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir(root.path().join("sys")).expect("sys");
        let sysroot = Sysroot::at(root.path()).expect("a host");
        for all in [false, true] {
            let tree = Tree::gather(&sysroot, &devices, all).expect("a tree");
            let text = strip_str(&text::render(&tree, width)).to_string();
            for line in text.lines() {
                prop_assert!(line.chars().count() <= width, "{}", line);
            }
            let lines = text.split("\n\n").next().unwrap_or("");
            let shown: BTreeSet<Bdf> = tree.visible().map(|device| device.address).collect();
            for device in devices.iter() {
                let wanted = all
                    || device.kind == Kind::Nvme
                    || device.p2pmem.is_some()
                    || device.largest_bar() >= 256 << 20;
                let expected = usize::from(wanted || shown.contains(&device.address));
                let lines = lines_of(lines, device.address).count();
                prop_assert_eq!(lines, expected, "{}:\n{}", device.address, lines);
            }
            let drawing = svg::draw(&tree).to_string();
            prop_assert!(roxmltree::Document::parse(&drawing).is_ok());
        }
    }
}

#[test]
fn a_thousand_providers_make_no_thousand_rows() {
    let mut all = Vec::new();
    for number in 0..1024 {
        // Sixteen below each bridge, the bridges in pairs of a host bridge.
        let bridge = 2000 + number / 16;
        if number % 16 == 0 {
            all.push(anything(bridge, 0, 3));
        }
        let mut drive = anything(number, bridge + 1, 4);
        drive.p2pmem = Some(P2pmem {
            bytes: 1 << 24,
            available_bytes: 1 << 24,
            published: true,
        });
        drive.acs = Acs::None;
        all.push(drive);
    }
    let devices = Devices::of(all);
    let root = tempfile::tempdir().expect("a folder");
    fs::create_dir(root.path().join("sys")).expect("sys");
    let sysroot = Sysroot::at(root.path()).expect("a host");
    let tree = Tree::gather(&sysroot, &devices, false).expect("a tree");
    let text = strip_str(&text::render(&tree, 80)).to_string();
    let (_, matrix) = text.split_once("Who reaches").expect("a matrix");
    assert!(matrix.contains("+15"), "{matrix}");
    assert!(matrix.lines().count() < 1000, "{}", matrix.lines().count());
}

#[test]
fn a_drawing_of_many_drives_is_not_too_large_for_other_programs() {
    let pixels = |count: usize| {
        // Each drive is below a port of its own, on three host bridges.
        let devices = (0..count).flat_map(|number| {
            let drive = anything(number, 2000 + number + 1, 4);
            [anything(2000 + number, 0, 0), drive]
        });
        let devices = Devices::of(devices);
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir(root.path().join("sys")).expect("sys");
        let sysroot = Sysroot::at(root.path()).expect("a host");
        let tree = Tree::gather(&sysroot, &devices, false).expect("a tree");
        let drawing = svg::draw(&tree).to_string();
        let document = roxmltree::Document::parse(&drawing).expect("well-formed XML");
        ["width", "height"].map(|side| {
            let pixels = document.root_element().attribute(side).expect(side);
            pixels.parse::<usize>().expect("a number")
        })
    };
    // Programs refuse more than 32,767 pixels.
    for count in [1, 100, 1024] {
        let [width, height] = pixels(count);
        assert!((1120..=32_767).contains(&width), "{count}: {width}");
        assert!(height <= 32_767, "{count}: {height}");
        // It is made wider before it is made smaller.
        assert!(height <= 3 * width, "{count}: {width} x {height}");
    }
}
