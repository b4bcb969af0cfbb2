// SPDX-License-Identifier: GPL-2.0
//! Chooses the accelerator for QEMU: KVM if it really works, else TCG.
//!
//! `/dev/kvm` may exist and still not work. So the first run after this machine has booted tries
//! KVM with the guest's own kernel. The answer is kept until the machine boots again.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::environment::{Environment, Kernel};

use super::command_line::{Accel, Machine, Pace, Processors};
use super::places::{Boot, RUN};

/// How long a kernel may take to say that it lives, under a KVM that works.
const PATIENCE: Duration = Duration::from_secs(20);

/// Returns the best accelerator that works here.
pub fn choose(environment: &Environment, kernel: &Kernel) -> Result<Accel> {
    if fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_err()
    {
        return Ok(Accel::Tcg);
    }
    let note = environment.notes().join("kvm");
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let (yes, no) = (format!("works {boot}"), format!("fails {boot}"));
    let known = fs::read_to_string(&note).unwrap_or_default();
    let works = match known {
        known if known == yes => true,
        known if known == no => false,
        _ => {
            let works = kvm_boots(environment, kernel)?;
            // Without this note the next run tries again.
            let _ = fs::write(&note, if works { yes } else { no });
            works
        }
    };
    Ok(if works { Accel::Kvm } else { Accel::Tcg })
}

fn kvm_boots(environment: &Environment, kernel: &Kernel) -> Result<bool> {
    let run = tempfile::tempdir()?;
    let processors = Processors {
        accel: Accel::Kvm,
        pace: Pace::Parallel,
        reach_all: false,
    };
    let mut machine = Machine::new(&kernel.release, processors, Boot(1));
    machine.kernel(&["vm.probe"]);
    let enter = environment.enter()?.bind(run.path(), RUN, true)?;
    let mut qemu = enter.command("qemu-system-x86_64")?;
    qemu.args(machine.arguments())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut qemu = qemu.spawn()?;
    let deadline = Instant::now() + PATIENCE;
    while qemu.try_wait()?.is_none() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(50));
    }
    // QEMU may have ended already.
    let _ = qemu.kill();
    qemu.wait()?;
    let console = fs::read_to_string(run.path().join("console")).unwrap_or_default();
    Ok(console.contains("vm: alive"))
}
