// SPDX-License-Identifier: GPL-2.0
//! The PCI tree of a machine and all that is on it: what the text, the JSON and the drawing are
//! made of.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use mdp2p_machine::md::array::{self, Array};
use mdp2p_machine::md::reach::{Distances, Known};
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::config::{Kind, LARGE_BAR};
use mdp2p_machine::pci::devices::{Device, Devices};
use mdp2p_machine::pci::reach::Reach;
use mdp2p_machine::sysroot::{Sysroot, natural};

use super::facts::{self, Facts};

/// PCI has 256 buses in a domain: whatever hangs deeper is garbage.
const DEEPEST: usize = 256;

/// The PCI tree of a machine, and all that is on it.
pub struct Tree<'a> {
    /// The machine.
    pub sysroot: &'a Sysroot,
    /// All of its PCI devices.
    pub devices: &'a Devices,
    /// Its arrays.
    pub arrays: Vec<Array>,
    /// Each host bridge that has something to show, and what is on its root bus.
    pub host_bridges: Vec<(String, Vec<Bdf>)>,
    known: Known<'a>,
    facts: BTreeMap<Bdf, Facts>,
    children: BTreeMap<Bdf, Vec<Bdf>>,
    visible: BTreeSet<Bdf>,
}

/// How many devices are not visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LeftOut {
    /// That are no bridges.
    pub devices: usize,
    /// That are.
    pub bridges: usize,
}

impl<'a> Tree<'a> {
    /// Of `host`, whose PCI devices are `devices`. Those that nothing of interest is on are
    /// visible only with `all`.
    ///
    /// # Errors
    /// If sysfs holds what cannot be understood; the file is named.
    pub fn gather(sysroot: &'a Sysroot, devices: &'a Devices, all: bool) -> Result<Self> {
        let arrays = array::all(sysroot)?;
        let mut facts = facts::read(sysroot, &arrays)?;
        let (tops, mut children) = hierarchy(devices);
        let mut visible = BTreeSet::new();
        let bare = Facts::default();
        for device in devices.iter() {
            let facts = facts.get(&device.address).unwrap_or(&bare);
            if all || is_of_interest(device, facts) {
                visible.insert(device.address);
                for bridge in devices.upwards(device.address).skip(1) {
                    // If it is visible already, so is what is above.
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
            host_bridges: host_bridges(devices, &tops, &visible),
            facts,
            children,
            visible,
        })
    }

    /// Those devices right below one that are visible.
    pub fn children(&self, address: Bdf) -> &[Bdf] {
        self.children.get(&address).map_or(&[], Vec::as_slice)
    }

    /// What there is to say of a device.
    pub fn facts(&self, address: Bdf) -> Option<&Facts> {
        self.facts.get(&address)
    }

    /// Those that are visible, by address.
    pub fn visible(&self) -> impl Iterator<Item = &Device> {
        self.devices
            .iter()
            .filter(|device| self.visible.contains(&device.address))
    }

    /// How many devices and bridges are not visible.
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

    /// Those that might do DMA to a provider's memory: NVMe controllers, and whatever else
    /// has memory for others itself.
    pub fn clients(&self) -> impl Iterator<Item = Bdf> {
        let is_client = |device: &&Device| device.kind == Kind::Nvme || device.p2pmem.is_some();
        self.devices
            .iter()
            .filter(is_client)
            .map(|device| device.address)
    }

    /// How a client reaches a provider: what the kernel says, if it does.
    pub fn reach(&self, provider: Bdf, client: Bdf) -> Reach {
        self.known.reach(provider, client)
    }

    /// What the kernel says of a client: the distance to each provider, none if it is
    /// unreachable.
    pub fn kernel_distances(&self, client: Bdf) -> Option<&Distances> {
        self.known.told_of(client)
    }

    /// A device's short name: `nvme0`, or its address.
    pub fn label(&self, address: Bdf) -> String {
        let controller = self
            .facts(address)
            .and_then(|facts| facts.controller.clone());
        controller.unwrap_or_else(|| address.short())
    }
}

fn is_of_interest(device: &Device, facts: &Facts) -> bool {
    device.kind == Kind::Nvme
        || device.p2pmem.is_some()
        || device.largest_bar() >= LARGE_BAR
        || facts.disks.iter().any(|disk| !disk.members.is_empty())
}

/// What hangs below what; first those that hang below nothing that is known.
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
    // Only garbage hangs in a ring or too deep. It is visible all the same.
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

/// Puts all below `top` into `reached`, and cuts off what is too deep.
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

fn host_bridges(
    devices: &Devices,
    tops: &[Bdf],
    visible: &BTreeSet<Bdf>,
) -> Vec<(String, Vec<Bdf>)> {
    let mut bridges: BTreeMap<&str, Vec<Bdf>> = BTreeMap::new();
    for &top in tops.iter().filter(|top| visible.contains(top)) {
        let name = devices.get(top).map_or("", |device| &device.host_bridge);
        bridges.entry(name).or_default().push(top);
    }
    let mut bridges: Vec<(String, Vec<Bdf>)> = bridges
        .into_iter()
        .map(|(name, tops)| (name.to_owned(), tops))
        .collect();
    bridges.sort_by_cached_key(|(name, _)| natural(name));
    bridges
}
