// SPDX-License-Identifier: GPL-2.0
//! The PCI devices that a block device is reached through.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};

use super::bdf::Bdf;
use crate::sysroot::Sysroot;

/// The PCI devices that a block device is reached through: one, or one for each path of
/// NVMe multipath. None if it is no PCI device by itself, as md-p2p sees it: device mapper,
/// loop, another array.
///
/// # Errors
/// If sysfs cannot be read.
pub fn of(sysroot: &Sysroot, disk: &str) -> Result<Vec<Bdf>> {
    let link = format!("sys/class/block/{disk}");
    // Most links tell by themselves, far quicker than by a walk to where they lead.
    let target = fs::read_link(sysroot.path(&link)).ok();
    if let Some(address) = target.and_then(|target| nearest(&target)) {
        return Ok(vec![address]);
    }
    let folder = sysroot
        .device(link)
        .ok_or_else(|| anyhow!("there is no block device {disk}"))?;
    // A multipath head: its subsystem has a link to each controller.
    let Some(subsystem) = folder
        .ancestors()
        .find(|folder| {
            folder
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("nvme-subsys"))
        })
        .filter(|_| disk.starts_with("nvme"))
    else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for name in sysroot.names(subsystem)? {
        let is_controller = name
            .strip_prefix("nvme")
            .is_some_and(|rest| rest.parse::<u32>().is_ok());
        if !is_controller {
            continue;
        }
        let path = sysroot
            .device(subsystem.join(&name))
            .with_context(|| format!("the controller {name} of {disk} has gone"))?;
        // A controller that is none on PCI (NVMe over fabrics) makes the whole none.
        match nearest(&path) {
            Some(address) => found.push(address),
            None => return Ok(Vec::new()),
        }
    }
    found.sort();
    Ok(found)
}

/// The last PCI address in a path.
pub fn nearest(path: &Path) -> Option<Bdf> {
    path.components()
        .rev()
        .find_map(|component| component.as_os_str().to_str()?.parse().ok())
}
