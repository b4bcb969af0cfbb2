// SPDX-License-Identifier: GPL-2.0
//! Checks other drivers between arrays and peer memory: NVMe multipath and nvidia-fs.
//!
//! Tests: tests/doctor.rs.

use anyhow::Result;
use mdp2p_machine::pci::controllers;
use mdp2p_machine::sysroot::garbage;

use crate::commands::doctor::check::{Check, Finding, ok, warning};
use crate::commands::doctor::survey::Survey;

/// The checks of this file, in the order of the report.
pub const CHECKS: &[Check] = &[("NVMe multipath", multipath), ("nvidia-fs", nvidia_fs)];

/// Checks how many paths NVMe drives have, because the farthest path counts.
fn multipath(survey: &Survey) -> Result<Finding> {
    const FILE: &str = "sys/module/nvme_core/parameters/multipath";
    survey.sysroot.needs(&["sys/module"])?;
    let on = match survey.sysroot.read_if(FILE)?.as_deref() {
        None => {
            return Ok(ok(
                "the kernel's NVMe driver is not loaded, or has no multipath",
            ));
        }
        Some("Y") => true,
        Some("N") => false,
        Some(other) => {
            return Err(garbage(
                &survey.sysroot.path(FILE),
                other,
                &"Y or N is wanted",
            ));
        }
    };
    let mut several = Vec::new();
    let mut no_pci = Vec::new();
    for name in survey.sysroot.names("sys/block")? {
        // nvme0n1, and not the paths below it: nvme0c1n1.
        if name.starts_with("nvme") && !name.contains('c') {
            let paths = match controllers::of(survey.sysroot, &name) {
                Ok(paths) => paths.len(),
                // The drive has just been removed.
                Err(_) if !survey.sysroot.has(format!("sys/class/block/{name}")) => continue,
                Err(error) => return Err(error),
            };
            match paths {
                0 => no_pci.push(name),
                1 => {}
                paths => several.push(format!("{name} ({paths} paths)")),
            }
        }
    }
    Ok(match (on, &several[..]) {
        (false, _) => ok("off"),
        (true, []) if no_pci.is_empty() => ok("on, and each drive has one path"),
        (true, []) => ok(format!(
            "on, and no drive has several paths on PCI; not on PCI: {}",
            no_pci.join(", ")
        )),
        (true, several) => warning(
            format!(
                "on: {}. The farthest path of a drive counts, and if one path does not reach the \
                 provider, I/O is staged",
                several.join(", ")
            ),
            "check with mdp2p topology that all paths reach the provider, and remove those that do not",
        ),
    })
}

/// Checks the mode of nvidia-fs. Outside its P2PDMA mode, nvidia-fs gives block drivers pages of host
/// memory, and a patched NVMe driver replaces them with the GPU's addresses. If a level has the CPU
/// read such a page, the CPU finds zeros.
fn nvidia_fs(survey: &Survey) -> Result<Finding> {
    const MODULE: &str = "sys/module/nvidia_fs";
    const FILE: &str = "sys/module/nvidia_fs/parameters/use_pci_p2pdma";
    survey.sysroot.needs(&["sys/module"])?;
    if !survey.sysroot.has(MODULE) {
        return Ok(ok("not loaded"));
    }
    match survey.sysroot.read_if(FILE)?.as_deref() {
        Some("Y" | "1") => Ok(ok("loaded, in its P2PDMA mode")),
        Some("N" | "0") | None => Ok(warning(
            "loaded, but not in its P2PDMA mode: it passes GPU memory off as host memory, so arrays \
             for which the CPU copies or computes (raid4/5/6, write-behind) would store zeros",
            "load it with use_pci_p2pdma=1, if it has that parameter; otherwise use only linear, \
             raid0, raid1 and raid10 with it",
        )),
        Some(other) => Err(garbage(
            &survey.sysroot.path(FILE),
            other,
            &"Y or N is wanted",
        )),
    }
}
