// SPDX-License-Identifier: GPL-2.0
//! Tests who copies what is staged, by the word of `topology`, `doctor`, `create` and `detail`: a DMA
//! engine of machines that are made up, or the CPU.

use assert_cmd::Command;
use serde_json::{Value, json};

#[path = "common/pcie.rs"]
mod machine;

use machine::{DOWNSTREAM, Machine, ROOT_PORT, UPSTREAM, config, modalias};

/// Paths below `sys/devices`: two drives and a place behind a switch, and a place elsewhere.
const SWITCH: &str = "pci0000:00/0000:00:01.0/0000:01:00.0";
const NEAR0: &str = "pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:00.0/0000:03:00.0";
const NEAR1: &str = "pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:01.0/0000:04:00.0";
const NEAR: &str = "pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:02.0/0000:05:00.0";
const FAR: &str = "pci0000:6a/0000:6a:01.0";

const PROVIDER: &str = "0000:03:00.0";
const PARAMETER: &str = "sys/module/md_p2p/parameters/p2pdma_engines";

fn machine() -> Machine {
    let machine = Machine::new();
    machine.port("pci0000:00/0000:00:01.0", ROOT_PORT, Some(0x1d));
    machine.port(SWITCH, UPSTREAM, None);
    for port in 0..3 {
        let path = format!("{SWITCH}/0000:02:0{port}.0");
        machine.port(&path, DOWNSTREAM, Some(0));
    }
    machine.drive(NEAR0, 0, Some(64));
    machine.drive(NEAR1, 1, None);
    machine
}

/// Adds a PCI device with a driver and channels, each with the number of its users.
fn engine(machine: &Machine, path: &str, driver: &str, channels: &[(&str, u32)]) {
    machine.device(path, 0x088000, &config(None, None));
    let folder = format!("sys/devices/{path}");
    machine.link(
        &format!("{folder}/driver"),
        &format!("sys/bus/pci/drivers/{driver}"),
    );
    for (name, users) in channels {
        let channel = format!("{folder}/dma/{name}");
        machine.put(&format!("{channel}/in_use"), format!("{users}\n"));
        machine.link(&format!("sys/class/dma/{name}"), &channel);
    }
}

/// Adds a DSA. Each queue is its number, its state, and the driver that it is meant for.
fn dsa(machine: &Machine, path: &str, state: &str, queues: &[(usize, &str, &str)]) {
    let is_channel = |it: &&(usize, &str, &str)| it.1 == "enabled" && it.2 == "dmaengine";
    let channels: Vec<String> = queues
        .iter()
        .filter(is_channel)
        .map(|queue| format!("dma0chan{}", queue.0))
        .collect();
    let channels: Vec<(&str, u32)> = channels.iter().map(|name| (name.as_str(), 0)).collect();
    engine(machine, path, "idxd", &channels);
    let folder = format!("sys/devices/{path}/dsa0");
    machine.put(&format!("{folder}/state"), format!("{state}\n"));
    machine.link("sys/bus/dsa/devices/dsa0", &folder);
    for (number, state, driver) in queues {
        let name = format!("wq0.{number}");
        let kind = if *driver == "dmaengine" {
            "kernel"
        } else {
            "user"
        };
        for (file, value) in [
            ("state", *state),
            ("type", kind),
            ("driver_name", *driver),
            ("mode", "dedicated"),
            ("size", "16"),
        ] {
            machine.put(&format!("{folder}/{name}/{file}"), format!("{value}\n"));
        }
        machine.link(
            &format!("sys/bus/dsa/devices/{name}"),
            &format!("{folder}/{name}"),
        );
    }
}

/// Makes the two drives an array, whose module says who copies if `told` is given.
fn array(machine: &Machine, level: &str, told: Option<&str>) {
    let distance = Some("0000:03:00.0 4\n");
    machine.array("md0", &[("nvme0n1", distance), ("nvme1n1", distance)]);
    let folder = "sys/devices/virtual/block/md0/md";
    machine.put(&format!("{folder}/level"), format!("{level}\n"));
    if let Some(told) = told {
        machine.put(&format!("{folder}/p2pdma_staging"), told);
    }
}

/// Returns what a command prints, with single spaces only.
fn said(machine: &Machine, words: &[&str]) -> String {
    let mut command = Command::cargo_bin("mdp2p").expect("mdp2p");
    let command = command.arg("--sysroot").arg(machine.root()).args(words);
    let output = command.output().expect("mdp2p runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let errors = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(errors, "", "{words:?}");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns a key of `topology --json`, after comparing it with the schema.
fn topology(machine: &Machine, key: &str) -> Value {
    let value = serde_json::from_str(&said(machine, &["topology", "--json"])).expect("JSON");
    let schema = serde_json::from_str(include_str!("../schema/topology.json")).expect("a schema");
    jsonschema::validate(&schema, &value).unwrap_or_else(|error| panic!("{error}: {value:#}"));
    value[key].clone()
}

/// Returns the check `staging` of doctor: its verdict, and what was found with what to do.
fn doctor(machine: &Machine) -> (String, String) {
    let value: Value = serde_json::from_str(&said(machine, &["doctor", "--json"])).expect("JSON");
    let mut checks = value["checks"].as_array().expect("checks").iter();
    let check = checks.find(|check| check["name"] == "staging");
    let check = check.unwrap_or_else(|| panic!("{value:#}"));
    let text = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
    (text("verdict"), text("found") + " -> " + &text("remedy"))
}

/// Compares what topology expects of the provider with who copies and, if that is the CPU, why.
fn expects(machine: &Machine, by: &str, refused: Value, sentence: &str) {
    let staging = topology(machine, "staging");
    assert_eq!(staging[0]["provider"], PROVIDER);
    assert_eq!(staging[0]["by"], by, "{staging:#}");
    assert_eq!(staging[0]["refused"], refused);
    assert_eq!(staging[0]["source"], "computed");
    let text = said(machine, &["topology"]);
    let sentence = format!("What is staged is probably copied {sentence}.");
    assert!(text.contains(&sentence), "{text}");
}

#[test]
fn without_an_engine_the_cpu_copies() {
    let machine = machine();
    let why = "by the CPU, because the machine has no DMA engine for copies of memory";
    expects(&machine, "cpu", json!([]), why);
    // A serial port has channels, too.
    engine(&machine, NEAR, "8250_lpss", &[("dma0chan0", 0)]);
    expects(&machine, "cpu", json!([]), why);
    let (verdict, found) = doctor(&machine);
    assert_eq!(verdict, "ok", "{found}");
    assert!(found.contains("nothing has to be staged now"), "{found}");
    array(&machine, "raid5", None);
    let (verdict, found) = doctor(&machine);
    assert_eq!(verdict, "warning", "{found}");
    assert!(
        found.contains("some 8 to 128 MB per second (an estimate"),
        "{found}"
    );
    assert!(found.contains("-> keep I/O direct"), "{found}");
    machine.put("sys/module/md_p2p/parameters/p2pdma_copy_bytes", "32\n");
    let (_, found) = doctor(&machine);
    assert!(found.contains("some 32 to 64 MB per second"), "{found}");
}

#[test]
fn a_dsa_that_reaches_the_provider_copies_through_a_queue_of_the_kernel() {
    let machine = machine();
    let queues = [(0, "enabled", "user"), (1, "enabled", "dmaengine")];
    dsa(&machine, NEAR, "enabled", &queues);
    let engine = "by DMA engine 05:00.0 (dsa0), channel dma0chan1";
    expects(&machine, "engine", json!([]), engine);
    let text = said(&machine, &["topology"]);
    assert!(
        text.contains("05:00.0 dsa0 8086:29c0 driver idxd 1 channel"),
        "{text}"
    );
    let engines = topology(&machine, "engines");
    assert_eq!(engines[0]["address"], "0000:05:00.0");
    assert_eq!(
        engines[0]["channels"],
        json!([{ "name": "dma0chan1", "in_use": 0 }])
    );
    assert_eq!(engines[0]["dsa"]["queues"][1]["driver"], "dmaengine");
    assert_eq!(doctor(&machine).0, "ok");
}

#[test]
fn the_nearest_engine_is_expected() {
    let machine = machine();
    // Both reach the provider, and this one by way of the drive's own port.
    let nearer = format!("{SWITCH}/0000:02:00.0/0000:03:00.1");
    engine(&machine, &nearer, "idxd", &[("dma1chan0", 0)]);
    engine(&machine, NEAR, "idxd", &[("dma0chan0", 0)]);
    expects(
        &machine,
        "engine",
        json!([]),
        "by DMA engine 03:00.1, channel dma1chan0",
    );
    // Others have its channel.
    machine.put(&format!("sys/devices/{nearer}/dma/dma1chan0/in_use"), "1\n");
    expects(
        &machine,
        "engine",
        json!([]),
        "by DMA engine 05:00.0, channel dma0chan0",
    );
}

#[test]
fn it_is_said_why_an_engine_does_not_copy() {
    let refused = |address: &str, why: &str| json!([{ "engine": address, "why": why }]);
    let far = machine();
    dsa(&far, FAR, "enabled", &[(0, "enabled", "dmaengine")]);
    let why = "by the CPU, because 6a:01.0 (dsa0) does not reach the provider";
    expects(&far, "cpu", refused("0000:6a:01.0", "unreachable"), why);

    let other = machine();
    engine(&other, NEAR, "ioatdma", &[("dma0chan0", 0)]);
    let why = "by the CPU, because md-p2p uses no engine of driver ioatdma";
    expects(&other, "cpu", refused("0000:05:00.0", "driver"), why);
    other.put(PARAMETER, "idxd,ioatdma\n");
    expects(
        &other,
        "engine",
        json!([]),
        "by DMA engine 05:00.0, channel dma0chan0",
    );
    other.put(PARAMETER, "\n");
    let why = "by the CPU, because p2pdma_engines names no driver";
    expects(&other, "cpu", refused("0000:05:00.0", "driver"), why);
    assert!(doctor(&other).1.contains("echo idxd >/sys/module/md_p2p"));

    let busy = machine();
    engine(&busy, NEAR, "idxd", &[("dma0chan0", 1)]);
    let why = "by the CPU, because 05:00.0 has no free channel";
    expects(&busy, "cpu", refused("0000:05:00.0", "no-channel"), why);
    let (verdict, found) = doctor(&busy);
    assert_eq!(verdict, "warning", "{found}");
    assert!(found.contains("/sys/class/dma/*/in_use"), "{found}");

    let driverless = machine();
    driverless.device(NEAR, 0x088000, &config(None, None));
    let dsa = modalias(0x8086, 0x0b25, 0x088000);
    driverless.put(&format!("sys/devices/{NEAR}/modalias"), dsa);
    let why = "by the CPU, because md-p2p uses no engine of no driver (05:00.0)";
    expects(&driverless, "cpu", refused("0000:05:00.0", "driver"), why);
    assert!(doctor(&driverless).1.contains("modprobe idxd"));
}

#[test]
fn doctor_gives_the_commands_for_a_queue() {
    let machine = machine();
    dsa(
        &machine,
        NEAR,
        "enabled",
        &[(0, "enabled", "user"), (1, "disabled", "")],
    );
    let why = "by the CPU, because 05:00.0 (dsa0) has no work queue for the kernel";
    let refused = json!([{ "engine": "0000:05:00.0", "why": "no-queue" }]);
    expects(&machine, "cpu", refused, why);
    let (verdict, found) = doctor(&machine);
    assert_eq!(verdict, "warning", "{found}");
    for line in [
        "accel-config config-wq dsa0/wq0.1 --type=kernel --name=md-p2p --driver-name=dmaengine && \
         accel-config enable-wq dsa0/wq0.1",
        "cd /sys/bus/dsa/devices && echo kernel >wq0.1/type && echo md-p2p >wq0.1/name && \
         echo dmaengine >wq0.1/driver_name && echo wq0.1 >/sys/bus/dsa/drivers/dmaengine/bind",
    ] {
        assert!(found.contains(line), "{found}");
    }
    assert!(!found.contains("disables"), "{found}");
}

#[test]
fn what_the_kernel_says_goes_before_what_is_expected() {
    let machine = machine();
    dsa(&machine, NEAR, "enabled", &[(0, "enabled", "dmaengine")]);
    array(&machine, "raid5", Some("0000:03:00.0 cpu\n"));
    let staging = topology(&machine, "staging");
    assert_eq!(staging[0]["source"], "kernel");
    assert_eq!(staging[0]["by"], "cpu");
    assert_eq!(staging[0]["refused"][0]["why"], "unknown");
    let (verdict, found) = doctor(&machine);
    assert_eq!(verdict, "warning", "{found}");
    assert!(
        found.contains(
            "staged data of 0000:03:00.0 are copied by the CPU, because the kernel has not"
        ),
        "{found}"
    );
    let told = "0000:03:00.0 dma7chan3 0000:05:00.0\n";
    machine.put("sys/devices/virtual/block/md0/md/p2pdma_staging", told);
    let text = said(&machine, &["topology"]);
    assert!(
        text.contains("is copied by DMA engine 05:00.0 (dsa0), channel dma7chan3."),
        "{text}"
    );
    let text = said(&machine, &["detail", "md0"]);
    let line = "Staging 0000:03:00.0: copied by DMA engine 0000:05:00.0, channel dma7chan3";
    assert!(text.contains(line), "{text}");
}

#[test]
fn garbage_of_the_kernel_names_its_file() {
    let machine = machine();
    array(&machine, "raid1", Some("0000:03:00.0 engine\n"));
    let mut command = Command::cargo_bin("mdp2p").expect("mdp2p");
    let command = command.arg("--sysroot").arg(machine.root()).arg("topology");
    let output = command.output().expect("mdp2p runs");
    let errors = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(
        errors.contains("p2pdma_staging: `0000:03:00.0 engine` cannot be understood"),
        "{errors}"
    );
}

#[test]
fn a_plan_says_who_will_copy_unless_all_is_direct() {
    let machine = machine();
    machine.put("sys/class/block/nvme0n1/dev", "259:0\n");
    machine.put("sys/class/block/nvme1n1/dev", "259:1\n");
    machine.put("dev/nvme0n1", "");
    machine.put("dev/nvme1n1", "");
    let plan = |level: &str| {
        let words = ["create", "/dev/md0", "--level", level, "--dry-run"];
        let members = ["/dev/nvme0n1", "/dev/nvme1n1", "missing"];
        let members = if level == "raid5" {
            &members[..]
        } else {
            &members[..2]
        };
        said(&machine, &[&words[..], members].concat())
    };
    let text = plan("raid5");
    assert!(
        text.contains("staged: probably copied by the CPU, because the machine"),
        "{text}"
    );
    assert!(
        text.contains("some 8 to 128 MB per second (an estimate"),
        "{text}"
    );
    assert!(!plan("raid0").contains("copied by"));
}
