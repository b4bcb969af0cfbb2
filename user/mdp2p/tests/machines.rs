// SPDX-License-Identifier: GPL-2.0
//! Tests what `topology`, `doctor` and others say of real machines (`trees/machines`), and of others
//! of their kinds. What is right was taken from the README of the trees, or from the kernel's rules.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

mod common;
#[path = "common/pcie.rs"]
mod machine;

use machine::{DOWNSTREAM, Machine, ROOT_PORT, UPSTREAM, config, modalias};

fn plant(name: &str) -> TempDir {
    common::plant(&format!("machines/{name}"))
}

/// Runs a command on a machine, and returns what it prints, and its exit status.
fn run(root: &Path, words: &[&str]) -> (String, i32) {
    let mut command = Command::cargo_bin("mdp2p").expect("mdp2p");
    let command = command.arg("--sysroot").arg(root).args(words);
    let output = command.output().expect("mdp2p runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let errors = String::from_utf8(output.stderr).expect("UTF-8");
    (text + &errors, output.status.code().expect("a status"))
}

/// Returns the text of `topology`, with single spaces only.
fn topology(root: &Path) -> String {
    let (text, status) = run(root, &["topology"]);
    assert_eq!(status, 0, "{text}");
    flat(&text)
}

fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns the JSON of a command, after comparing it with its schema.
fn json(root: &Path, command: &str) -> Value {
    let (text, _) = run(root, &[command, "--json"]);
    let value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schema/{command}.json"));
    let schema = fs::read_to_string(file).expect("a schema");
    let schema = serde_json::from_str(&schema).expect("JSON");
    let schema = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<String> = schema
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path))
        .collect();
    assert_eq!(errors, [""; 0]);
    value
}

/// A pair of `topology --json`.
#[derive(Debug)]
struct Pair {
    provider: String,
    client: String,
    way: String,
    distance: Option<u64>,
    source: String,
    reasons: Vec<Value>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Returns all pairs other than of a device with itself.
fn pairs(root: &Path) -> Vec<Pair> {
    let json = json(root, "topology");
    let reasons = json["reasons"].as_array().expect("reasons");
    let reason = |place: &Value| reasons[place.as_u64().expect("a place") as usize].clone();
    let all = json["reach"].as_array().expect("pairs").iter();
    let all = all.map(|pair| Pair {
        provider: text(&pair["provider"]),
        client: text(&pair["client"]),
        way: text(&pair["way"]),
        distance: pair["distance"].as_u64(),
        source: text(&pair["source"]),
        reasons: pair["why"]
            .as_array()
            .expect("why")
            .iter()
            .map(reason)
            .collect(),
    });
    let (own, others): (Vec<Pair>, Vec<Pair>) = all.partition(|pair| pair.provider == pair.client);
    for pair in own {
        assert_eq!((pair.way.as_str(), pair.distance), ("direct", Some(0)));
    }
    others
}

/// Returns what the reasons of a pair of that kind hold under a key.
fn of_kind<'a>(pair: &'a Pair, kind: &str, key: &str) -> Vec<&'a Value> {
    let of_kind = pair.reasons.iter().filter(|reason| reason["kind"] == kind);
    of_kind.map(|reason| &reason[key]).collect()
}

/// Returns the check of `doctor` with that name; `Null` if it was left out.
fn check(root: &Path, name: &str) -> Value {
    let json = json(root, "doctor");
    let checks = json["checks"].as_array().expect("checks");
    let check = checks.iter().find(|check| check["name"] == name);
    check.cloned().unwrap_or(Value::Null)
}

/// Returns the lines of the tree.
fn tree(root: &Path, options: &[&str]) -> Vec<String> {
    let words: Vec<&str> = ["topology"].iter().chain(options).copied().collect();
    let (text, _) = run(root, &words);
    text.lines().map(str::to_owned).collect()
}

#[test]
fn every_tree_is_planted_here() {
    let source = include_str!("machines.rs");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trees/machines");
    for file in fs::read_dir(folder).expect("trees") {
        let name = file
            .expect("a tree")
            .file_name()
            .into_string()
            .expect("UTF-8");
        if let Some(name) = name.strip_suffix(".tree") {
            assert!(source.contains(&format!("\"{name}\"")), "{name}");
        }
    }
}

#[test]
fn acs_of_a_switch_decides_between_two_gpus() {
    let (near, far) = ("0000:0e:00.0", "0000:12:00.0");
    for (name, way, distance) in [
        ("01-rkl-pex880xx-b70-acs-off", "direct", Some(8)),
        ("01-rkl-pex880xx-b70-acs-on", "no", None),
    ] {
        let root = plant(name);
        let pairs = pairs(root.path());
        assert_eq!(pairs.len(), 4);
        for pair in &pairs {
            if pair.client == near || pair.client == far {
                assert_eq!(
                    (pair.way.as_str(), pair.distance),
                    (way, distance),
                    "{pair:?}"
                );
            } else {
                assert_eq!(pair.way, "no", "{pair:?}");
            }
            if pair.way == "no" {
                let ids = of_kind(pair, "host-bridge", "id");
                assert_eq!(ids, [&serde_json::json!([0x8086, 0x4c43])]);
            }
        }
        let ports: BTreeSet<String> = pairs
            .iter()
            .flat_map(|pair| of_kind(pair, "acs-redirect", "ports"))
            .map(|ports| text(&ports[0]))
            .collect();
        let expected: &[&str] = match way {
            "direct" => &[],
            _ => &[
                "0000:0b:00.0",
                "0000:0b:10.0",
                "0000:0d:01.0",
                "0000:11:01.0",
            ],
        };
        assert!(ports.iter().eq(expected), "{ports:?}");
        let text = topology(root.path());
        // In this machine the switch has ACS redirect on from power-on.
        assert!(!text.contains("firmware has set"), "{text}");
        assert_eq!(text.contains("at power-on"), way == "no", "{text}");
    }
}

#[test]
fn a_gpu_is_a_provider_before_it_publishes_anything() {
    const GPU: &str = "0000:41:00.0";
    for (name, source) in [
        ("02-gpu-p2pmem-unpublished-working", "computed"),
        ("02-gpu-p2pmem-unpublished-running", "kernel"),
    ] {
        let root = plant(name);
        let root = root.path();
        let pairs = pairs(root);
        let clients: Vec<&str> = pairs.iter().map(|pair| pair.client.as_str()).collect();
        assert_eq!(clients, ["0000:21:00.0", "0000:22:00.0"]);
        for pair in &pairs {
            let found = (pair.provider.as_str(), pair.way.as_str(), pair.distance);
            assert_eq!(found, (GPU, "through-host-bridge", Some(4)));
            assert_eq!(pair.source, source);
        }
        assert_eq!(check(root, "providers")["verdict"], "ok");
        assert_eq!(check(root, "reach")["verdict"], "ok");
        // What others allocate from is another question.
        let stats = json(root, "stats");
        assert_eq!(stats["providers"][0]["address"], GPU);
        assert_eq!(stats["providers"][0]["published"], false);
    }
    let root = plant("02-gpu-p2pmem-unpublished-working");
    let words = [
        "create",
        "md7",
        "--level=1",
        "--dry-run",
        "--require-direct",
        "nvme0n1",
        "nvme1n1",
    ];
    let (text, status) = run(root.path(), &words);
    assert_eq!(status, 0, "{text}");
    let text = flat(&text);
    assert!(text.contains("0000:41:00.0 direct direct host"), "{text}");
    assert!(
        text.contains("rebuild: its driver has not published the memory"),
        "{text}"
    );
    let (text, status) = run(root.path(), &[&words[..], &["--provider", GPU]].concat());
    assert_eq!(status, 1, "{text}");
    assert!(
        flat(&text).contains("this device lends no memory; no device"),
        "{text}"
    );
    let root = plant("02-gpu-p2pmem-unpublished-running");
    let (text, status) = run(root.path(), &["verify", "md0", "--dry-run"]);
    assert_eq!(status, 1, "{text}");
    assert!(
        text.contains("no device of this machine lends memory"),
        "{text}"
    );
}

#[test]
fn a_drive_that_is_no_pci_device_is_shown() {
    let root = plant("04-apple-platform-nvme-asahi");
    let lines = tree(root.path(), &[]);
    assert_eq!(lines[0], "no PCI device");
    assert!(lines[1].starts_with("└─nvme0  "), "{lines:?}");
    for (line, disk) in lines[2..5].iter().zip(["nvme0n1 ", "nvme0n2 ", "nvme0n3 "]) {
        assert!(line.trim_start().starts_with(disk), "{lines:?}");
    }
    assert!(
        !lines.iter().any(|line| line.contains("No NVMe drive")),
        "{lines:?}"
    );
    let other = &json(root.path(), "topology")["others"][0];
    assert_eq!(other["disks"].as_array().map(Vec::len), Some(3));
    let (svg, _) = run(root.path(), &["topology", "--svg", "-"]);
    assert!(
        svg.contains("no PCI device") && svg.contains("nvme0n3 "),
        "{svg}"
    );
    let multipath = text(&check(root.path(), "NVMe multipath")["found"]);
    assert!(
        !multipath.contains("each drive has one path"),
        "{multipath}"
    );
}

#[test]
fn host_bridges_are_sorted_and_devices_of_missing_bridges_hang_where_they_hung() {
    let root = plant("05-skylake-plx-8ve-nonroot-gathered");
    let pairs = pairs(root.path());
    assert_eq!(pairs.len(), 8 * 7);
    for pair in &pairs {
        // 1b to 1e are below one switch, and 3d to 41 below another.
        let is_near = |address: &str| address < "0000:20:00.0";
        let expected = match is_near(&pair.provider) == is_near(&pair.client) {
            true => ("direct", Some(4)),
            false => ("through-host-bridge", Some(8)),
        };
        assert_eq!((pair.way.as_str(), pair.distance), expected, "{pair:?}");
        let unknown = of_kind(pair, "acs-unknown", "ports");
        assert_eq!(unknown.is_empty(), pair.way != "direct");
    }
    let lines = tree(root.path(), &["--all"]);
    let bridges: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("host bridge pci0000:"))
        .collect();
    let sorted: BTreeSet<&str> = bridges.iter().copied().collect();
    // Two digits each, so the order of texts is that of numbers.
    assert!(bridges.iter().eq(&sorted), "{bridges:?}");
    let at = |address: &str| {
        let line = lines.iter().position(|line| line.contains(address));
        let line = line.expect(address);
        (line, lines[line].find(address).expect(address))
    };
    let (bridge, device) = (at("5e:00.0 "), at("60:00.0 "));
    assert!(device.0 > bridge.0 && device.1 > bridge.1, "{lines:#?}");
    assert!(
        !lines[bridge.0..device.0]
            .iter()
            .any(|line| line.starts_with("host"))
    );
}

#[test]
fn other_machines_have_missing_bridges_and_hexadecimal_names_too() {
    let machine = Machine::new();
    let near = "pci0000:0a/0000:0a:01.0/0000:0b:00.0/0000:0c:00.0/0000:0d:00.0";
    let far = "pci0000:0a/0000:0a:01.0/0000:0b:00.0/0000:0c:01.0/0000:0e:00.0";
    // Of all bridges, only the root port was captured.
    machine.port("pci0000:0a/0000:0a:01.0", ROOT_PORT, None);
    machine.drive(near, 0, Some(16));
    machine.drive(far, 1, None);
    for bus in ["9a", "10", "f0", "09"] {
        machine.port(&format!("pci0000:{bus}/0000:{bus}:01.0"), ROOT_PORT, None);
    }
    let pairs = pairs(machine.root());
    assert_eq!(
        (pairs[0].way.as_str(), pairs[0].distance),
        ("direct", Some(4))
    );
    let text = topology(machine.root());
    assert!(text.contains("0c:00.0 bridge not in the capture"), "{text}");
    let lines = tree(machine.root(), &["--all"]);
    let bridges = lines
        .iter()
        .filter_map(|line| line.strip_prefix("host bridge pci0000:"));
    assert!(
        bridges.eq(["00", "09", "0a", "10", "9a", "f0"]),
        "{lines:#?}"
    );
}

#[test]
fn a_virtio_disk_in_a_wide_domain_maps_no_peer_memory() {
    let root = plant("07-domain-32-bits-gathered");
    let (text, _) = run(root.path(), &["topology", "--all"]);
    let line = text.lines().find(|line| line.contains("10000:00:04.0"));
    assert!(line.expect("the disk").contains("  vda "), "{text}");
    // As a member, with a provider there, it is a client that reaches nothing.
    let device = "sys/bus/pci/devices/10000:00:04.0";
    let md0 = "sys/devices/virtual/block/md0/md";
    for (file, content) in [
        (format!("{device}/p2pmem/size"), "16777216"),
        (format!("{md0}/level"), "linear"),
        (format!("{md0}/dev-vda/state"), "in_sync"),
    ] {
        common::put(root.path(), &file, content);
    }
    let md = root.path().join("sys/block/md0");
    std::os::unix::fs::symlink("../devices/virtual/block/md0", md).expect("a link");
    let block = root.path().join(md0).join("dev-vda/block");
    std::os::unix::fs::symlink("../../../../../../class/block/vda", block).expect("a link");
    let json = json(root.path(), "topology");
    assert_eq!(json["reasons"][0]["kind"], "other-driver", "{json:#}");
    assert_eq!(json["reasons"][0]["driver"], "virtio-pci");
    assert_eq!(json["virtual_machine"], true);
}

#[test]
fn below_a_vmd_of_a_trusted_kind_all_is_reached() {
    let root = plant("08-vmd-switch-mpath-vroc");
    let pairs = pairs(root.path());
    assert_eq!(pairs.len(), 2 * 7);
    for pair in &pairs {
        let expected = match pair.provider[..5] == pair.client[..5] {
            true => ("direct", Some(4)),
            false => ("through-host-bridge", Some(8)),
        };
        assert_eq!((pair.way.as_str(), pair.distance), expected, "{pair:?}");
    }
    let bridges = &json(root.path(), "topology")["host_bridges"];
    let vmds: Vec<String> = (0..2).map(|at| text(&bridges[at]["vmd"])).collect();
    assert_eq!(vmds, ["0000:85:05.5", "0000:ae:05.5"]);
    let (text, _) = run(root.path(), &["topology"]);
    assert!(
        text.contains("host bridge pci10001:00 of VMD ae:05.5\n"),
        "{text}"
    );
}

#[test]
fn below_a_vmd_that_is_not_trusted_the_remedy_is_to_turn_vmd_off() {
    let root = plant("10-spr-vmd-domains-vmd");
    let pairs = pairs(root.path());
    assert_eq!(pairs.len(), 23);
    for pair in &pairs {
        assert_eq!((pair.way.as_str(), pair.distance), ("no", None), "{pair:?}");
        for id in of_kind(pair, "host-bridge", "id") {
            assert_eq!(id, &serde_json::json!([0x8086, 0x352a]));
        }
    }
    let topology = topology(root.path());
    let doctor = text(&check(root.path(), "reach")["remedy"]);
    for text in [&topology, &doctor] {
        assert!(
            text.contains("Turn VMD off in the firmware's setup"),
            "{text}"
        );
        // The host bridge behind the VMD of the provider.
        assert!(text.contains("pci0000:15 (8086:09a2)"), "{text}");
        assert!(!text.contains("Xeon"), "{text}");
    }
    assert!(
        topology.contains("pci10005:80 of VMD 00:00.5"),
        "{topology}"
    );
    assert!(
        topology.contains("pci10005:80 (8086:352a) below VMD 00:00.5"),
        "{topology}"
    );
}

/// Makes up two drives at root ports of a VMD. `behind` is the first device on the root bus of the
/// VMD itself, and the first device below the VMD is either a root port or a placeholder.
fn vmd(behind: u16, placeholder: bool) -> Machine {
    let machine = Machine::new();
    let identify = |path: &str, device: u16, class: u32| {
        let file = format!("sys/devices/{path}/modalias");
        machine.put(&file, modalias(0x8086, device, class));
    };
    machine.device("pci0000:97/0000:97:00.0", 0x088000, &config(None, None));
    identify("pci0000:97/0000:97:00.0", behind, 0x088000);
    let vmd = "pci0000:97/0000:97:00.5";
    machine.device(vmd, 0x010400, &config(None, None));
    machine.put(&format!("sys/devices/{vmd}/numa_node"), "1\n");
    let domain = format!("{vmd}/pci10000:e0");
    if placeholder {
        let path = format!("{domain}/10000:e0:01.0");
        machine.device(&path, 0x088000, &config(None, None));
        identify(&path, 0x09ab, 0x088000);
    }
    for (number, device) in [(0, 0x347a), (1, 0x347b)] {
        let port = format!("{domain}/10000:e0:{:02x}.0", 2 + number);
        machine.port(&port, ROOT_PORT, Some(0x1d));
        identify(&port, device, 0x060400);
        let drive = format!("{port}/10000:{:02x}:00.0", 0xe1 + number);
        machine.drive(&drive, number, (number == 0).then_some(16));
    }
    machine
}

#[test]
fn what_helps_below_a_vmd_depends_on_the_host_bridge_behind_it() {
    for placeholder in [false, true] {
        let why = match placeholder {
            true => {
                "pci10000:e0 (its first device, 10000:e0:01.0 of type 8086:09ab, is no root port)"
            }
            false => "pci10000:e0 (8086:347a)",
        };
        let trusted = vmd(0x09a2, placeholder);
        let text = topology(trusted.root());
        assert!(
            text.contains("pci10000:e0 of VMD 97:00.5, NUMA node 1"),
            "{text}"
        );
        assert!(
            text.contains(&format!("{why} below VMD 97:00.5 (NUMA node 1)")),
            "{text}"
        );
        assert!(text.contains("Turn VMD off"), "{text}");
        assert!(text.contains("list: pci0000:97 (8086:09a2)"), "{text}");
        assert!(!text.contains("Xeon"), "{text}");
        let other = vmd(0x4660, placeholder);
        let text = topology(other.root());
        assert!(text.contains("To turn VMD off would not help"), "{text}");
        assert!(!text.contains("Turn VMD off in"), "{text}");
    }
}

/// To turn VMD off leaves the host bridges of processors as they are.
#[test]
fn a_host_bridge_beside_a_vmd_remains() {
    let machine = vmd(0x09a2, false);
    let port = "pci0000:20/0000:20:01.0";
    machine.port(port, ROOT_PORT, Some(0x1d));
    let client = format!("{port}/0000:21:00.0");
    machine.drive(&client, 7, None);
    let text = topology(machine.root());
    assert!(text.contains("Turn VMD off"), "{text}");
    let remains = "does not help between devices below pci0000:20:";
    assert!(text.contains(remains) && text.contains("Xeon"), "{text}");
}

/// A switch with two drives, and one at a root port.
fn switch() -> Machine {
    let machine = Machine::new();
    let switch = "pci0000:00/0000:00:01.0/0000:01:00.0";
    machine.port("pci0000:00/0000:00:01.0", ROOT_PORT, Some(0x1d));
    machine.port(switch, UPSTREAM, None);
    for number in 0..2 {
        let port = format!("{switch}/0000:02:{number:02x}.0");
        machine.port(&port, DOWNSTREAM, Some(0));
        let drive = format!("{port}/0000:{:02x}:00.0", 3 + number);
        machine.drive(&drive, number, (number == 0).then_some(16));
    }
    machine.port("pci0000:00/0000:00:02.0", ROOT_PORT, Some(0x1d));
    machine.drive("pci0000:00/0000:00:02.0/0000:05:00.0", 2, None);
    machine
}

/// What others lie below is a port, and whether it redirects is not known.
#[test]
fn a_port_of_unknown_kind_may_redirect() {
    let machine = switch();
    assert!(!topology(machine.root()).contains("unknown"));
    let port = "sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:01.0";
    for modalias in [Some("xx"), None] {
        let file = machine.root().join(port).join("modalias");
        match modalias {
            Some(text) => fs::write(&file, text).expect("a file"),
            None => fs::remove_file(&file).expect("a file"),
        }
        let _ = fs::remove_file(machine.root().join(port).join("config"));
        let (text, status) = run(machine.root(), &["topology"]);
        let text = flat(&text);
        assert_eq!(status, 1, "{text}");
        for part in [
            "It is unknown whether ACS redirects at 02:01.0; here it is assumed not to.",
            "Run mdp2p capture as root on that machine.",
            "0000:02:01.0/modalias",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let (text, _) = run(machine.root(), &["doctor"]);
        assert!(
            text.contains("it was not captured whether ports redirect"),
            "{text}"
        );
    }
}

#[test]
fn a_processor_that_was_not_captured_may_be_trusted() {
    let machine = switch();
    let file = machine.root().join("proc/cpuinfo");
    let text = topology(machine.root());
    assert!(!text.contains("processor was not captured"), "{text}");
    fs::remove_file(&file).expect("a file");
    let text = topology(machine.root());
    assert!(
        text.contains("The processor was not captured. If it is AMD Zen"),
        "{text}"
    );
    let kinds: Vec<Value> = pairs(machine.root())
        .iter()
        .filter(|pair| pair.client == "0000:05:00.0")
        .flat_map(|pair| pair.reasons.iter().map(|it| it["kind"].clone()))
        .collect();
    assert!(kinds.contains(&"processor-unknown".into()), "{kinds:?}");
    fs::write(&file, "vendor_id\t: AuthenticAMD\ncpu family\t: 25\n").expect("a file");
    assert!(!topology(machine.root()).contains("~no"));
}

#[test]
fn acs_of_many_ports_is_turned_off_by_their_kind() {
    let zen = plant("12-dgx-a100-acs-zen");
    let zen = pairs(zen.path());
    let root = plant("12-dgx-a100-acs-other-cpu");
    let root = root.path();
    let other = pairs(root);
    assert_eq!((zen.len(), other.len()), (8 * 15, 8 * 15));
    for (zen, other) in zen.iter().zip(&other) {
        assert_eq!(zen.way, "through-host-bridge", "{zen:?}");
        let distance = zen.distance.expect("a distance");
        assert!((6..=16).contains(&distance), "{zen:?}");
        assert_eq!(
            (other.way.as_str(), other.distance),
            ("no", None),
            "{other:?}"
        );
    }
    let (topology, _) = run(root, &["topology"]);
    let (doctor, _) = run(root, &["doctor"]);
    for text in [&topology, &doctor] {
        let parameter = "pci=disable_acs_redir=pci:1000:c010";
        assert_eq!(text.matches(parameter).count(), 1, "{text}");
        assert_eq!(text.matches("pci=").count(), 1, "{text}");
        assert!(text.contains("and 24 more"), "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
    }
    // Both say the remedy in the same words.
    let remedy = text(&check(root, "ACS")["remedy"]);
    for sentence in remedy.split(". ").skip(2) {
        assert!(
            flat(&topology).contains(sentence.trim_end_matches('.')),
            "{sentence}"
        );
    }
}

#[test]
fn acs_of_few_ports_is_turned_off_by_address_and_of_many_by_all_their_kinds() {
    let machine = Machine::new();
    let up = "pci0000:00/0000:00:01.0/0000:01:00.0";
    machine.port("pci0000:00/0000:00:01.0", ROOT_PORT, None);
    machine.port(up, UPSTREAM, None);
    let add = |number: usize| {
        let port = format!("{up}/0000:02:{number:02x}.0");
        machine.port(&port, DOWNSTREAM, Some(0x1d));
        let kind = modalias(0x1000, 0xc010 + number as u16 % 2, 0x060400);
        machine.put(&format!("sys/devices/{port}/modalias"), kind);
        let drive = format!("{port}/0000:{:02x}:00.0", 3 + number);
        machine.drive(&drive, number, (number == 0).then_some(16));
    };
    add(0);
    add(1);
    machine.put("proc/sys/kernel/osrelease", "7.3.4\n");
    let few = "pci=disable_acs_redir=02:00.0;02:01.0";
    let remedy = || text(&check(machine.root(), "ACS")["remedy"]);
    assert!(remedy().contains(few), "{}", remedy());
    assert!(remedy().contains(r"with \; for each ;"), "{}", remedy());
    assert!(topology(machine.root()).contains(few));
    (2..30).for_each(add);
    let many = "pci=disable_acs_redir=pci:1000:c010;pci:1000:c011";
    assert!(remedy().contains(many), "{}", remedy());
    assert!(topology(machine.root()).contains(many));
}

#[test]
fn a_processor_that_is_not_supported_is_said_with_the_right_reach() {
    let root = plant("13-pi5-asm1806-switch");
    let pairs = pairs(root.path());
    assert_eq!(pairs.len(), 2);
    for pair in &pairs {
        assert_eq!((pair.way.as_str(), pair.distance), ("direct", Some(4)));
    }
    let processor = check(root.path(), "processor");
    assert_eq!(processor["verdict"], "problem");
    assert!(text(&processor["found"]).contains("amd64"), "{processor}");
    let (text, _) = run(root.path(), &["doctor"]);
    assert!(!text.contains("module install"), "{text}");
}

#[test]
fn a_guest_is_told_that_the_host_decides() {
    let flat_root = plant("15-h200-guest-flat");
    let all = pairs(flat_root.path());
    assert_eq!(all.len(), 8 * 9);
    for pair in &all {
        assert_eq!((pair.way.as_str(), pair.distance), ("no", None), "{pair:?}");
        let ids = of_kind(pair, "host-bridge", "id");
        assert_eq!(ids, [&serde_json::json!([0x8086, 0x29c0])]);
    }
    let switched = plant("15-h200-guest-emulated-switch");
    let all = pairs(switched.path());
    assert_eq!(all.len(), 4 * 7);
    // A GPU and a drive lie below each switch, and are neighbours by address.
    let near = [("67", "68"), ("6b", "6c"), ("6f", "70"), ("73", "74")];
    for pair in &all {
        let bus = |address: &str| address[5..7].to_owned();
        let (provider, client) = (bus(&pair.provider), bus(&pair.client));
        let expected = match near.contains(&(provider.as_str(), client.as_str())) {
            true => ("direct", Some(4)),
            false => ("no", None),
        };
        assert_eq!((pair.way.as_str(), pair.distance), expected, "{pair:?}");
    }
    // Another guest: known by its vendor, since arm64 has no flag for it.
    let machine = vmd(0x09a2, false);
    machine.put("sys/class/dmi/id/sys_vendor", "QEMU\n");
    machine.put("proc/sys/kernel/osrelease", "7.3.4\n");
    for root in [flat_root.path(), switched.path(), machine.root()] {
        let topology = topology(root);
        let doctor = flat(&run(root, &["doctor"]).0);
        for text in [&topology, &doctor] {
            assert!(
                text.contains("in a virtual machine depends on the host"),
                "{text}"
            );
            assert!(
                text.contains("Have the hypervisor put provider and client"),
                "{text}"
            );
            assert!(!text.contains("use a machine whose"), "{text}");
            assert!(!text.contains("firmware's setup"), "{text}");
        }
        assert_eq!(json(root, "topology")["virtual_machine"], true);
    }
}

#[test]
fn each_disk_of_a_controller_has_a_line() {
    let root = plant("17-synology-and-reshape-slots");
    let lines = tree(root.path(), &[]);
    let disks: Vec<&str> = lines
        .iter()
        .map(|line| line.trim_start())
        .filter(|line| line.starts_with("sd"))
        .collect();
    assert_eq!(disks.len(), 8, "{lines:#?}");
    for (disk, letter) in disks.iter().zip('a'..='h') {
        assert!(disk.starts_with(&format!("sd{letter} ")), "{disks:#?}");
        let on = disk.matches(" on sd").count();
        assert_eq!(disk.matches(&format!(" on sd{letter}")).count(), on);
    }
    let (list, _) = run(root.path(), &["list"]);
    for words in [
        "7/8 degraded",
        "7/16 degraded",
        "4/6 degraded",
        "reshape 48 %",
    ] {
        assert!(list.contains(words), "{list}");
    }
}

#[test]
fn arrays_are_found_by_any_name() {
    let root = plant("18-names-names");
    for link in fs::read_dir(root.path().join("dev/md")).expect("names") {
        let name = link
            .expect("a name")
            .file_name()
            .into_string()
            .expect("UTF-8");
        let (text, status) = run(root.path(), &["detail", &name]);
        assert_eq!(status, 0, "{text}");
    }
}

#[test]
fn a_journal_is_no_member_and_members_of_other_drivers_reach_nothing() {
    let root = plant("21-raid6-journal-cockpit");
    let (list, _) = run(root.path(), &["list"]);
    assert!(list.contains(" 8/8 "), "{list}");
    let text = topology(root.path());
    assert!(text.contains("md128 journal"), "{text}");
    let pairs = pairs(root.path());
    assert_eq!(pairs.len(), 1);
    assert_eq!(
        (pairs[0].client.as_str(), pairs[0].way.as_str()),
        ("0000:00:17.0", "no")
    );
    assert_eq!(of_kind(&pairs[0], "other-driver", "driver"), ["ahci"]);
}

/// Adds a controller of disks other than NVMe's.
fn controller(machine: &Machine, path: &str, class: u32, driver: &str, disk: &str) {
    machine.device(path, class, &config(None, None));
    let folder = format!("sys/devices/{path}");
    machine.link(
        &format!("{folder}/driver"),
        &format!("sys/bus/pci/drivers/{driver}"),
    );
    machine.disk(&format!("{folder}/host0/block/{disk}"));
}

#[test]
fn every_member_is_a_client_whatever_it_is() {
    let machine = Machine::new();
    let up = "pci0000:00/0000:00:01.0/0000:01:00.0";
    machine.port("pci0000:00/0000:00:01.0", ROOT_PORT, None);
    machine.port(up, UPSTREAM, None);
    for number in 0..6 {
        machine.port(&format!("{up}/0000:02:{number:02x}.0"), DOWNSTREAM, Some(0));
    }
    let below = |number: usize| format!("{up}/0000:02:{number:02x}.0/0000:{:02x}:00.0", 3 + number);
    machine.drive(&below(0), 0, Some(64));
    machine.drive(&below(1), 1, None);
    // All of them below the switch, so the bridges would let each reach the provider.
    let others = [
        (2, 0x010700, "mpt3sas", "sda"),
        (3, 0x0c0330, "xhci_hcd", "sdb"),
        (4, 0x010000, "virtio-pci", "vda"),
    ];
    for (number, class, driver, disk) in others {
        controller(&machine, &below(number), class, driver, disk);
    }
    // A controller without members is no client.
    controller(&machine, &below(5), 0x010601, "ahci", "sdz");
    machine.disk("sys/devices/virtual/block/loop0");
    machine.disk("sys/devices/virtual/block/dm-0");
    machine.put(
        "sys/devices/virtual/block/dm-0/slaves/nvme1n1/size",
        "2147483648\n",
    );
    let members = ["nvme0n1", "dm-0", "sda", "sdb", "vda", "loop0"];
    machine.array("md0", &members.map(|member| (member, None)));
    machine.put("proc/sys/kernel/osrelease", "7.3.4\n");

    let ways: Vec<(String, String)> = pairs(machine.root())
        .into_iter()
        .map(|pair| (pair.client, pair.way))
        .collect();
    let expected = [(4, "direct"), (5, "no"), (6, "no"), (7, "no")];
    let expected = expected.map(|(bus, way)| (format!("0000:{bus:02x}:00.0"), way.to_owned()));
    assert_eq!(ways, expected);
    let text = topology(machine.root());
    assert!(
        text.contains("nvme0 nvme1 05:00.0 06:00.0 07:00.0 dm-0+1 "),
        "{text}"
    );
    assert!(
        text.contains("nvme0 ~0 direct ~4 direct ~no [1] ~no [1] ~no [1] ~no [2]"),
        "{text}"
    );
    assert!(
        text.contains("(mpt3sas, virtio-pci, xhci_hcd) cannot map"),
        "{text}"
    );
    assert!(text.contains("column dm-0+1: dm-0, loop0"), "{text}");
    assert!(text.contains("no PCI device └─loop0 1 TiB md0"), "{text}");
    let (svg, _) = run(machine.root(), &["topology", "--svg", "-"]);
    for words in ["dm-0+1", "~no [2]", "loop0", "no PCI device"] {
        assert!(svg.contains(words), "{words}: {svg}");
    }
    let reach = check(machine.root(), "reach");
    let found = self::text(&reach["found"]);
    assert_eq!(reach["verdict"], "warning");
    assert!(
        found.contains("4 pairs of drive and provider: 1 direct, 3 not at all"),
        "{found}"
    );
    assert!(
        found.contains("members dm-0, loop0 are no PCI devices"),
        "{found}"
    );
    assert!(
        self::text(&reach["remedy"]).contains("0000:06:00.0 (xhci_hcd)"),
        "{reach}"
    );
}

#[test]
fn an_array_of_drives_that_are_no_pci_devices_is_shown_without_any_pci() {
    let machine = Machine::new();
    fs::remove_dir_all(machine.root().join("sys/bus")).expect("PCI");
    machine.disk("sys/devices/virtual/block/loop0");
    machine.disk("sys/devices/virtual/block/loop1");
    machine.array("md0", &[("loop0", None), ("loop1", None)]);
    let text = topology(machine.root());
    assert!(
        text.contains("├─loop0 1 TiB md0 └─loop1 1 TiB md0"),
        "{text}"
    );
}

/// Makes up drives that reach each other through a host bridge that is not trusted; all have CMBs.
fn many_drives(count: usize) -> Machine {
    let machine = Machine::new();
    for number in 0..count {
        let root = format!("pci0000:00/0000:00:{:02x}.{}", 1 + number / 8, number % 8);
        machine.port(&root, ROOT_PORT, None);
        machine.drive(
            &format!("{root}/0000:{:02x}:00.0", 1 + number),
            number,
            Some(16),
        );
    }
    machine
}

#[test]
fn json_says_each_reason_once() {
    let machine = many_drives(48);
    let json = json(machine.root(), "topology");
    assert_eq!(json["reach"].as_array().map(Vec::len), Some(48 * 48));
    let kinds: Vec<String> = json["reasons"]
        .as_array()
        .expect("reasons")
        .iter()
        .map(|reason| text(&reason["kind"]))
        .collect();
    assert_eq!(kinds, ["no-common-bridge", "host-bridge"]);
}

#[test]
fn a_drawing_in_a_file_keeps_its_owner_and_mode_and_a_dash_is_standard_output() {
    let machine = many_drives(2);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("old.svg");
    fs::write(&file, "old").expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("a mode");
    if nix::unistd::Uid::effective().is_root() {
        std::os::unix::fs::chown(&file, Some(65534), Some(65534)).expect("an owner");
    }
    let old = fs::metadata(&file).expect("a file");
    let (text, status) = run(
        machine.root(),
        &["topology", "--svg", file.to_str().expect("UTF-8")],
    );
    assert_eq!(status, 0, "{text}");
    let new = fs::metadata(&file).expect("a file");
    let of = |it: &fs::Metadata| (it.mode(), it.uid(), it.gid());
    assert_eq!(of(&new), of(&old));
    let drawn = fs::read_to_string(&file).expect("a drawing");
    let mut command = Command::cargo_bin("mdp2p").expect("mdp2p");
    let command = command.current_dir(folder.path()).arg("--sysroot");
    let command = command.arg(machine.root()).args(["topology", "--svg", "-"]);
    let output = command.output().expect("mdp2p runs");
    assert_eq!(String::from_utf8(output.stdout).expect("UTF-8"), drawn);
    assert!(!folder.path().join("-").exists());
    let (text, status) = run(machine.root(), &["topology", "--svg", "-", "--json"]);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("standard output"), "{text}");
}

#[test]
fn a_long_chain_of_ports_is_short_on_a_card() {
    let machine = Machine::new();
    let mut path = "pci0000:00/0000:00:01.0".to_owned();
    machine.port(&path, ROOT_PORT, None);
    for bus in 1..30 {
        path += &format!("/0000:{bus:02x}:00.0");
        let kind = if bus % 2 == 1 { UPSTREAM } else { DOWNSTREAM };
        machine.port(&path, kind, Some(if bus == 4 { 0x1d } else { 0 }));
    }
    machine.drive(&format!("{path}/0000:30:00.0"), 0, None);
    let (svg, _) = run(machine.root(), &["topology", "--svg", "-"]);
    let document = roxmltree::Document::parse(&svg).expect("well-formed XML");
    let texts = document.descendants().filter(roxmltree::Node::is_text);
    let texts = texts.filter_map(|node| node.text());
    let all = flat(&texts.collect::<Vec<_>>().join(" "));
    let chain =
        "below 1d:00.0 switch below 28 more ports, 1 with ACS redirect below 00:01.0 root port";
    assert!(all.contains(chain), "{all}");
}
