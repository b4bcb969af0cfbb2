// SPDX-License-Identifier: GPL-2.0
//! The PCI tree of a machine and what is on it, from which the text, the JSON and the drawing are
//! made.
//!
//! Tests: tests/topology.rs.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use mdp2p_machine::md::array::{self, Array};
use mdp2p_machine::md::reach::{Distances, Known};
use mdp2p_machine::md::staging::{Copiers, Staging};
use mdp2p_machine::pci::advice;
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::config::{Kind, LARGE_BAR};
use mdp2p_machine::pci::devices::{Device, Devices};
use mdp2p_machine::pci::engines::Engine;
use mdp2p_machine::pci::reach::{Reach, Why};
use mdp2p_machine::sysroot::{Sysroot, natural};
use mdp2p_machine::virtual_machine;

use super::facts::{self, Facts, Other};

/// The deepest level that is shown. PCI has 256 buses in a domain, so anything deeper is garbage.
const DEEPEST: usize = 256;

/// The PCI tree of a machine and what is on it.
pub struct Tree<'a> {
    /// The machine.
    pub sysroot: &'a Sysroot,
    /// All PCI devices of the machine.
    pub devices: &'a Devices,
    /// The machine's arrays.
    pub arrays: Vec<Array>,
    /// Each host bridge with a visible device.
    pub host_bridges: Vec<HostBridge>,
    /// The drives that are no PCI devices.
    pub others: Vec<Other>,
    /// Who could copy what is staged.
    pub copiers: Copiers,
    /// Whether the machine is virtual.
    pub is_virtual: bool,
    known: Known<'a>,
    facts: BTreeMap<Bdf, Facts>,
    children: BTreeMap<Bdf, Vec<Bdf>>,
    visible: BTreeSet<Bdf>,
}

/// A host bridge.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct HostBridge {
    /// The name in sysfs; empty if the host bridge is not known.
    pub name: String,
    /// The VMD that is this host bridge; `None` if a processor is.
    pub vmd: Option<Bdf>,
    /// The NUMA node of the VMD.
    pub numa_node: Option<u32>,
    /// The visible devices on the root bus.
    pub devices: Vec<Bdf>,
}

/// How many devices are not visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LeftOut {
    /// Devices other than bridges.
    pub devices: usize,
    /// Bridges.
    pub bridges: usize,
}

impl<'a> Tree<'a> {
    /// Gathers what is known of a machine whose PCI devices are `devices`. With `all` every device
    /// is visible; otherwise only drives, devices with memory for others, DMA engines, and what is
    /// above them.
    ///
    /// # Errors
    /// If a file in sysfs cannot be understood; the error names the file.
    pub fn gather(sysroot: &'a Sysroot, devices: &'a Devices, all: bool) -> Result<Self> {
        let arrays = array::all(sysroot)?;
        let (mut facts, others) = facts::read(sysroot, &arrays)?;
        let copiers = Copiers::read(sysroot, devices, &arrays)?;
        let is_engine = |device: &Device| copiers.engine(device.address).is_some();
        let (tops, mut children) = hierarchy(devices);
        let mut visible = BTreeSet::new();
        let bare = Facts::default();
        for device in devices.iter() {
            let facts = facts.get(&device.address).unwrap_or(&bare);
            if all || is_of_interest(device, facts) || is_engine(device) {
                visible.insert(device.address);
                for bridge in devices.upwards(device.address).skip(1) {
                    // If a bridge is visible already, so are the bridges above it.
                    if !visible.insert(bridge.address) {
                        break;
                    }
                }
            }
        }
        for below in children.values_mut() {
            below.retain(|address| visible.contains(address));
        }
        facts::add_names(sysroot, devices, &visible, &mut facts);
        Ok(Self {
            sysroot,
            devices,
            known: Known::of(sysroot, devices, &arrays),
            arrays,
            copiers,
            host_bridges: host_bridges(sysroot, devices, &tops, &visible),
            others,
            is_virtual: virtual_machine::vendor(sysroot).is_some(),
            facts,
            children,
            visible,
        })
    }

    /// Returns the visible devices right below a device.
    pub fn children(&self, address: Bdf) -> &[Bdf] {
        self.children.get(&address).map_or(&[], Vec::as_slice)
    }

    /// Returns what is known of a device, beside what [`Device`] holds.
    pub fn facts(&self, address: Bdf) -> Option<&Facts> {
        self.facts.get(&address)
    }

    /// Returns the visible devices, by address.
    pub fn visible(&self) -> impl Iterator<Item = &Device> {
        self.devices
            .iter()
            .filter(|device| self.visible.contains(&device.address))
    }

    /// Counts the devices and bridges that are not visible.
    pub fn left_out(&self) -> LeftOut {
        let hidden = |device: &&Device| !self.visible.contains(&device.address);
        let (bridges, devices): (Vec<&Device>, Vec<&Device>) = self
            .devices
            .iter()
            .filter(hidden)
            .partition(|device| device.is_bridge());
        LeftOut {
            devices: devices.len(),
            bridges: bridges.len(),
        }
    }

    /// Returns the devices that might do DMA to a provider's memory: NVMe controllers, other
    /// controllers of members, and providers.
    pub fn clients(&self) -> impl Iterator<Item = Bdf> {
        let is_client = |device: &&Device| {
            device.kind == Kind::Nvme
                || device.is_provider()
                || self.known.is_controller(device.address)
        };
        self.devices
            .iter()
            .filter(is_client)
            .map(|device| device.address)
    }

    /// Returns what is known of reach.
    pub fn known(&self) -> &Known<'a> {
        &self.known
    }

    /// Returns why a client cannot do DMA to any provider's memory, wherever it is.
    pub fn refusal(&self, client: Bdf) -> Option<&Why> {
        self.known.refusal(client)
    }

    /// Returns how a client reaches a provider: by the kernel's word if there is one, else by the
    /// kernel's rules.
    pub fn reach(&self, provider: Bdf, client: Bdf) -> Reach {
        self.known.reach(provider, client)
    }

    /// Returns the DMA engine that a device is.
    pub fn engine(&self, address: Bdf) -> Option<&Engine> {
        self.copiers.engine(address)
    }

    /// Tells who copies what is staged, for each provider.
    pub fn staging(&self) -> Vec<Staging> {
        let providers = self.devices.providers();
        let staging = providers.map(|it| self.copiers.of(self.known.rules(), it.address));
        staging.collect()
    }

    /// Returns the distances from a client to providers that the kernel states; `None` if it states
    /// none.
    pub fn kernel_distances(&self, client: Bdf) -> Option<&Distances> {
        self.known.kernel_distances(client)
    }

    /// Returns a device's short name: `nvme0`, or the address.
    pub fn label(&self, address: Bdf) -> String {
        let controller = self
            .facts(address)
            .and_then(|facts| facts.controller.clone());
        controller.unwrap_or_else(|| address.short())
    }
}

/// Whether a device is shown without `all`.
fn is_of_interest(device: &Device, facts: &Facts) -> bool {
    device.kind == Kind::Nvme
        || device.p2pmem.is_some()
        || device.largest_bar() >= LARGE_BAR
        || facts.disks.iter().any(|disk| !disk.members.is_empty())
}

/// Returns the devices below no known device, and the devices below each other device.
fn hierarchy(devices: &Devices) -> (Vec<Bdf>, BTreeMap<Bdf, Vec<Bdf>>) {
    let mut children: BTreeMap<Bdf, Vec<Bdf>> = BTreeMap::new();
    let mut tops = Vec::new();
    for device in devices.iter() {
        match device
            .parent
            .filter(|&parent| devices.get(parent).is_some())
        {
            Some(parent) => children.entry(parent).or_default().push(device.address),
            None => tops.push(device.address),
        }
    }
    let mut reached = BTreeSet::new();
    for &top in &tops {
        descend(top, &mut children, &mut reached);
    }
    // A ring, or a chain that is too deep, is garbage in sysfs. Its devices are shown all the same.
    for device in devices.iter() {
        if !reached.contains(&device.address) {
            let above = device.parent.and_then(|parent| children.get_mut(&parent));
            if let Some(siblings) = above {
                siblings.retain(|&sibling| sibling != device.address);
            }
            tops.push(device.address);
            descend(device.address, &mut children, &mut reached);
        }
    }
    (tops, children)
}

/// Puts `top` and all devices below it into `reached`, and cuts off those that are too deep.
fn descend(top: Bdf, children: &mut BTreeMap<Bdf, Vec<Bdf>>, reached: &mut BTreeSet<Bdf>) {
    let mut rest = vec![(top, 0)];
    while let Some((address, depth)) = rest.pop() {
        reached.insert(address);
        if depth == DEEPEST {
            children.remove(&address);
        }
        let below = children.get(&address).into_iter().flatten();
        rest.extend(below.map(|&child| (child, depth + 1)));
    }
}

/// Returns each host bridge with the visible devices on its root bus.
fn host_bridges(
    sysroot: &Sysroot,
    devices: &Devices,
    tops: &[Bdf],
    visible: &BTreeSet<Bdf>,
) -> Vec<HostBridge> {
    let mut bridges: BTreeMap<&str, HostBridge> = BTreeMap::new();
    let tops = tops.iter().filter(|top| visible.contains(top));
    for device in tops.filter_map(|&top| devices.get(top)) {
        let new = || HostBridge {
            name: device.host_bridge.clone(),
            vmd: device.vmd,
            numa_node: device.vmd.and_then(|vmd| advice::numa_node(sysroot, vmd)),
            devices: Vec::new(),
        };
        let bridge = bridges.entry(&device.host_bridge).or_insert_with(new);
        bridge.devices.push(device.address);
    }
    let mut bridges: Vec<HostBridge> = bridges.into_values().collect();
    bridges.sort_by_cached_key(|bridge| (root_bus(&bridge.name), natural(&bridge.name)));
    bridges
}

/// Returns domain and root bus of a host bridge by its name, whose numbers are hexadecimal:
/// `pci0000:3a`. The names without such numbers come first.
fn root_bus(name: &str) -> Option<(u32, u8)> {
    let (domain, bus) = name.strip_prefix("pci")?.split_once(':')?;
    let domain = u32::from_str_radix(domain, 16).ok()?;
    Some((domain, u8::from_str_radix(bus, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_host_bridges_are_hexadecimal() {
        let sorted = ["", "pci0000:17", "pci0000:3a", "pci0000:5d", "pci0000:e0"];
        let mut names = sorted;
        names.reverse();
        names.sort_by_key(|name| root_bus(name));
        assert_eq!(names, sorted);
        assert!(root_bus("pci0009:00") < root_bus("pci000a:00"));
        assert!(root_bus("pci000a:00") < root_bus("pci0010:00"));
    }
}
