// SPDX-License-Identifier: GPL-2.0
//! Measures `mdp2p topology` with 4,096 PCI devices: 64 switches with 16 drives each, 16 drives that
//! publish memory, and functions without meaning. Run it with `cargo bench -p mdp2p`.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use mdp2p::commands::topology::text;
use mdp2p::commands::topology::tree::Tree;
use mdp2p_machine::pci::devices::Devices;
use mdp2p_machine::sysroot::Sysroot;

#[path = "../tests/common/pcie.rs"]
mod machine;

use machine::{DOWNSTREAM, Machine, ROOT_PORT, UPSTREAM, config};

const LIMIT: Duration = Duration::from_millis(200);
const ROUNDS: usize = 7;

fn main() -> ExitCode {
    let machine = plant();
    let sysroot = Sysroot::at(machine.root()).expect("a host");
    let mut best = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let devices = Devices::read(&sysroot).expect("devices");
        let read = start.elapsed();
        let tree = Tree::gather(&sysroot, &devices, false).expect("a tree");
        let drawn = text::render(&tree, 80);
        let whole = start.elapsed();
        assert_eq!(devices.iter().count(), 4096);
        assert_eq!(drawn.matches("Examplary").count(), 1024, "{drawn}");
        best = best.min((whole, read));
    }
    let (whole, read) = best;
    println!(
        "4096 PCI devices are read and drawn in {whole:.0?} (of it {read:.0?} for the devices), \
         the best of {ROUNDS} rounds"
    );
    if whole > LIMIT {
        println!("that is not under {LIMIT:?}");
        return ExitCode::FAILURE;
    }
    println!("that is under {LIMIT:?}");
    ExitCode::SUCCESS
}

/// Makes up the machine: four domains of 16 switches each.
fn plant() -> Machine {
    let machine = Machine::new();
    let mut drives = 0;
    let mut left = 4096 - 1;
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
    machine
}
