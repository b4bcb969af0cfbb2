// SPDX-License-Identifier: GPL-2.0
//! Reads what sysfs does not have in a PCI device's own folder: the device's model, and the disks
//! and members of arrays behind it.
//!
//! Tests: tests/topology.rs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use mdp2p_machine::md::array::Array;
use mdp2p_machine::md::external::External;
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::controllers;
use mdp2p_machine::pci::devices::{Device, Devices};
use mdp2p_machine::pci::ids::{self, Id};
use mdp2p_machine::sysroot::{self, Sysroot};

/// What is known of a device, beside what [`Device`] holds.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Facts {
    /// The drive's model, or else the name in the list of PCI devices.
    pub model: Option<String>,
    /// An NVMe controller's name: `nvme0`.
    pub controller: Option<String>,
    /// The drive's serial number.
    pub serial: Option<String>,
    /// The disks that are reached through this device.
    pub disks: Vec<Disk>,
}

/// A drive that is reached through no PCI device: an NVMe controller that is none, or a disk that is
/// a member of an array, such as a loop device.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Other {
    /// The controller's name, or else the disk's.
    pub name: String,
    /// The driver of the controller.
    pub driver: Option<String>,
    #[serde(flatten)]
    pub facts: Facts,
}

/// A whole disk; with NVMe, a namespace.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Disk {
    /// The name in `/sys/class/block`: `nvme0n1`.
    pub name: String,
    /// The size in bytes.
    pub bytes: u64,
    /// The devices through which the disk is reached: several with NVMe multipath.
    pub paths: Vec<Bdf>,
    /// The members of arrays on this disk.
    pub members: Vec<Membership>,
}

/// A disk, or a part of it, as a member of an array.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Membership {
    /// The array.
    pub array: String,
    /// The member: the disk, a partition of the disk, or a device made of either.
    pub member: String,
    /// The words in md's `state` file of the member.
    pub state: Vec<String>,
    /// Whether the array is a container, all drives of which are spares to md.
    #[serde(skip)]
    pub is_container: bool,
}

/// Reads the models and disks of all devices that have any, and the drives that are no PCI devices.
///
/// # Errors
/// If a file in sysfs cannot be read or understood.
pub fn read(sysroot: &Sysroot, arrays: &[Array]) -> Result<(BTreeMap<Bdf, Facts>, Vec<Other>)> {
    let mut facts = BTreeMap::new();
    let mut others = Vec::new();
    for (address, found) in nvme_controllers(sysroot)? {
        match address {
            Some(address) => drop(facts.insert(address, found)),
            // On the processor's own bus, or behind a fabric.
            None => others.push(Other::controller(sysroot, found)),
        }
    }
    for disk in disks(sysroot, arrays)? {
        for &path in &disk.paths {
            let facts: &mut Facts = facts.entry(path).or_default();
            facts.disks.push(disk.clone());
        }
        if disk.paths.is_empty() {
            Other::add(&mut others, disk);
        }
    }
    Ok((facts, others))
}

/// Reads the NVMe controllers, with their PCI addresses.
fn nvme_controllers(sysroot: &Sysroot) -> Result<Vec<(Option<Bdf>, Facts)>> {
    sysroot::each(&sysroot.names("sys/class/nvme")?, |name| {
        let folder = format!("sys/class/nvme/{name}");
        let link = sysroot.target(&folder);
        let address = link.and_then(|path| controllers::nearest(&path));
        let text = |file: &str| {
            let text = sysroot.read_if(format!("{folder}/{file}"));
            let text = sysroot.tolerate(text)?.flatten();
            anyhow::Ok(text.filter(|text| !text.is_empty()))
        };
        let facts = Facts {
            model: text("model")?,
            serial: text("serial")?,
            controller: Some(name.to_owned()),
            ..Facts::default()
        };
        Ok(Some((address, facts)))
    })
}

impl Other {
    fn controller(sysroot: &Sysroot, facts: Facts) -> Self {
        let name = facts.controller.clone().unwrap_or_default();
        let driver = sysroot.link(format!("sys/class/nvme/{name}/device/driver"));
        Self {
            driver,
            name,
            facts,
        }
    }

    /// Adds a disk to its controller, or by itself.
    fn add(others: &mut Vec<Self>, disk: Disk) {
        let has_it = |other: &&mut Self| is_namespace(&disk.name, &other.name);
        if let Some(controller) = others.iter_mut().find(has_it) {
            return controller.facts.disks.push(disk);
        }
        others.push(Self {
            name: disk.name.clone(),
            driver: None,
            facts: Facts {
                disks: vec![disk],
                ..Facts::default()
            },
        });
    }
}

/// Whether a disk is named after a controller: nvme0n1 of nvme0. A multipath disk is not, because it
/// is named after its subsystem.
pub fn is_namespace(disk: &str, controller: &str) -> bool {
    let rest = disk.strip_prefix(controller);
    rest.is_some_and(|rest| rest.starts_with('n'))
}

/// Reads all whole disks that are reached through PCI devices, and the others if they are NVMe's or
/// members of arrays.
fn disks(sysroot: &Sysroot, arrays: &[Array]) -> Result<Vec<Disk>> {
    const BLOCK: &str = "sys/class/block";
    let mut members: BTreeMap<String, Vec<Membership>> = BTreeMap::new();
    for array in arrays {
        let is_container = matches!(External::of(array), Some(External::Container { .. }));
        for member in &array.members {
            for disk in disks_of(sysroot, &member.name, 0)? {
                members.entry(disk).or_default().push(Membership {
                    array: array.name.clone(),
                    member: member.name.clone(),
                    state: member.state.clone(),
                    is_container,
                });
            }
        }
    }
    sysroot::each(&sysroot.names(BLOCK)?, |name| {
        let Some(link) = sysroot.target(format!("{BLOCK}/{name}")) else {
            return Ok(None);
        };
        if is_hidden_path(name) || partitioned_disk(sysroot, &link).is_some() {
            return Ok(None);
        }
        let paths = match controllers::nearest(&link) {
            Some(address) => vec![address],
            None if name.starts_with("nvme") => match controllers::of(sysroot, name) {
                Ok(paths) => paths,
                Err(_) if !sysroot.has(format!("{BLOCK}/{name}")) => return Ok(None),
                Err(error) => match sysroot.tolerate(Err(error))? {
                    Some(paths) => paths,
                    None => return Ok(None),
                },
            },
            None if members.contains_key(name) => Vec::new(),
            None => return Ok(None),
        };
        let sectors = sysroot.value_if::<u64>(format!("{BLOCK}/{name}/size"));
        Ok(Some(Disk {
            bytes: sysroot
                .tolerate(sectors)?
                .flatten()
                .unwrap_or(0)
                .saturating_mul(512),
            paths,
            members: members.get(name).cloned().unwrap_or_default(),
            name: name.to_owned(),
        }))
    })
}

/// Returns the whole disks of which a member is made: the member itself, the disk that it is a
/// partition of, or the disks below device mapper or another array.
fn disks_of(sysroot: &Sysroot, name: &str, depth: usize) -> Result<BTreeSet<String>> {
    let folder = format!("sys/class/block/{name}");
    let slaves = sysroot.names(format!("{folder}/slaves"))?;
    if !slaves.is_empty() && depth < 8 {
        let mut found = BTreeSet::new();
        for slave in slaves {
            found.extend(disks_of(sysroot, &slave, depth + 1)?);
        }
        return Ok(found);
    }
    let disk = sysroot
        .target(&folder)
        .and_then(|link| partitioned_disk(sysroot, &link));
    Ok(BTreeSet::from([disk.unwrap_or_else(|| name.to_owned())]))
}

/// Returns the disk of which the block device at `link` is a partition.
fn partitioned_disk(sysroot: &Sysroot, link: &Path) -> Option<String> {
    let above = link.parent()?.file_name()?.to_str()?;
    // Above a whole disk lies `block`, or a controller's name: neither is a block device.
    let is_block = sysroot.has(format!("sys/class/block/{above}"));
    is_block.then(|| above.to_owned())
}

/// Whether a block device is one path of a multipath disk (`nvme0c1n1`), which md never sees.
fn is_hidden_path(name: &str) -> bool {
    let after = |text: &str| {
        let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
        rest.starts_with('c')
    };
    name.strip_prefix("nvme").is_some_and(after)
}

/// Gives each visible device without a model its name in the list of PCI devices.
pub fn add_names(
    sysroot: &Sysroot,
    devices: &Devices,
    visible: &BTreeSet<Bdf>,
    facts: &mut BTreeMap<Bdf, Facts>,
) {
    let id = |device: &Device| -> Id { (device.vendor, device.device) };
    let nameless: Vec<&Device> = devices
        .iter()
        .filter(|device| visible.contains(&device.address))
        .filter(|device| {
            let facts = facts.get(&device.address);
            facts.is_none_or(|facts| facts.model.is_none())
        })
        .collect();
    let wanted = nameless.iter().map(|device| id(device)).collect();
    let names = ids::find(sysroot, &wanted);
    for device in nameless {
        if let Some(name) = names.get(&id(device)) {
            facts.entry(device.address).or_default().model = Some(name.clone());
        }
    }
}
