// SPDX-License-Identifier: GPL-2.0
//! Finds the PCI devices through which a block device is reached.

use std::path::Path;

use anyhow::{Context, Result, anyhow};

use super::bdf::Bdf;
use crate::sysroot::Sysroot;

/// Returns the PCI devices through which a block device is reached: one, or one for each path of
/// NVMe multipath. There is none for a block device that md-p2p does not see as a PCI device: device
/// mapper, loop, another array.
///
/// # Errors
/// If sysfs cannot be read.
pub fn of(sysroot: &Sysroot, disk: &str) -> Result<Vec<Bdf>> {
    let link = format!("sys/class/block/{disk}");
    // The text of most links has the address. Reading it is far quicker than following the link.
    if let Some(address) = sysroot.target(&link).and_then(|target| nearest(&target)) {
        return Ok(vec![address]);
    }
    let folder = sysroot
        .device(link)
        .ok_or_else(|| anyhow!("there is no block device {disk}"))?;
    // The subsystem of a multipath disk has a link to each controller.
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
        // If one path is not on PCI (NVMe over fabrics), peer memory cannot be used on any.
        match nearest(&path) {
            Some(address) => found.push(address),
            None => return Ok(Vec::new()),
        }
    }
    found.sort();
    Ok(found)
}

/// Returns the last PCI address in a path.
pub fn nearest(path: &Path) -> Option<Bdf> {
    path.components()
        .rev()
        .find_map(|component| component.as_os_str().to_str()?.parse().ok())
}
