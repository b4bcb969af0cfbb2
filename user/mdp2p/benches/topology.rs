// SPDX-License-Identifier: GPL-2.0
//! Measures `mdp2p topology` against `lspci -tv` with 4,096 PCI devices: 64 switches with 16 drives each,
//! 16 drives that publish memory, and functions without meaning. Run it with `cargo bench -p mdp2p`.
//!
//! Both are whole processes that read the same folder, in turn. The figure is the ratio of their medians.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

#[path = "../tests/common/pcie.rs"]
mod machine;

use machine::{DOWNSTREAM, Machine, ROOT_PORT, UPSTREAM, config};

/// The most that `mdp2p topology` may take of what `lspci -tv` takes.
const LIMIT: f64 = 0.7;
const DEVICES: usize = 4096;
const ROUNDS: usize = 9;

fn main() -> ExitCode {
    let machine = plant();
    let mut topology = topology(machine.root());
    let mut lspci = lspci(machine.root());
    let drawn = output(&mut topology);
    assert_eq!(drawn.matches("Examplary").count(), 1024, "{drawn}");
    if lspci.stdout(Stdio::null()).status().is_err() {
        println!("skipped: there is no lspci; install pciutils");
        return ExitCode::SUCCESS;
    }
    let listed = output(&mut lspci);
    // It names all but the ports.
    let named = DEVICES - 64 * (2 + 16);
    assert_eq!(
        listed.matches("Express DRAM Controller").count(),
        named,
        "{listed}"
    );

    let mut took = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        took[0].push(time(&mut topology));
        took[1].push(time(&mut lspci));
    }
    let [ours, theirs] = took.map(median);
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    println!(
        "{DEVICES} devices: mdp2p topology {ours:.0?}, lspci -tv {theirs:.0?}, medians of {ROUNDS}"
    );
    println!("figure: mdp2p topology, {DEVICES} devices | {ratio:.2} | lspci -tv | {LIMIT}");
    ExitCode::from(u8::from(ratio > LIMIT))
}

fn topology(root: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mdp2p"));
    command.arg("topology").arg("--sysroot").arg(root);
    command
}

fn lspci(root: &Path) -> Command {
    let mut command = Command::new("lspci");
    let sysfs = root.join("sys/bus/pci");
    command
        .arg("-tv")
        .arg("-O")
        .arg(format!("sysfs.path={}", sysfs.display()));
    command
}

fn output(command: &mut Command) -> String {
    let output = command.stdout(Stdio::piped()).output().expect("a process");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// Runs a command whose output is read, as a terminal would.
fn time(command: &mut Command) -> Duration {
    let start = Instant::now();
    output(command);
    start.elapsed()
}

fn median(mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    took[took.len() / 2]
}

/// Makes up the machine: four domains of 16 switches each.
fn plant() -> Machine {
    let machine = Machine::new();
    let mut drives = 0;
    let mut left = DEVICES - 1;
    let mut names = Vec::new();
    for domain in 0..4 {
        let root = format!("pci{domain:04x}:00");
        for switch in 0..16 {
            // A root port, the switch, its ports, and the drives.
            let up = 1 + switch * 10;
            let root_port = format!("{root}/{domain:04x}:00:{:02x}.0", switch + 1);
            machine.port(&root_port, ROOT_PORT, Some(0x1d));
            let upstream = format!("{root_port}/{domain:04x}:{up:02x}:00.0");
            machine.port(&upstream, UPSTREAM, None);
            left -= 2;
            for port in 0..16 {
                let at = format!("{:02x}:{port:02x}.0", up + 1);
                let downstream = format!("{upstream}/{domain:04x}:{at}");
                machine.port(&downstream, DOWNSTREAM, Some(0x1d * u8::from(switch == 3)));
                let bus = up + 2 + port / 4;
                let drive = format!("{downstream}/{domain:04x}:{bus:02x}:{:02x}.0", port % 4);
                let cmb = (switch % 4 == 0 && port == 0).then_some(64);
                machine.drive(&drive, drives, cmb);
                names.push(format!("nvme{drives}n1"));
                drives += 1;
                left -= 2;
            }
        }
    }
    for (number, members) in names.chunks(8).enumerate() {
        let members: Vec<(&str, Option<&str>)> = members
            .iter()
            .map(|member| (member.as_str(), None))
            .collect();
        machine.array(&format!("md{number}"), &members);
    }
    let other = config(None, None);
    for number in 0..left {
        let (bus, device, function) = (number / 256, number / 8 % 32, number % 8);
        let address = format!("00ff:{bus:02x}:{device:02x}.{function}");
        machine.device(&format!("pci00ff:00/{address}"), 0x088000, &other);
    }
    plant_what_lspci_reads(machine.root());
    machine
}

/// Adds the files of each device that lspci cannot do without, and mdp2p does not read.
fn plant_what_lspci_reads(root: &Path) {
    let devices = fs::read_dir(root.join("sys/bus/pci/devices")).expect("devices");
    for device in devices {
        let device = device.expect("a device").path();
        for (file, value) in [
            ("vendor", "0x8086"),
            ("device", "0x29c0"),
            ("class", "0x060400"),
        ] {
            fs::write(device.join(file), format!("{value}\n")).expect("a file");
        }
    }
}
