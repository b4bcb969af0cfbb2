// SPDX-License-Identifier: GPL-2.0
//! Who reaches whose memory: as the running kernel says through md-p2p, or else by the kernel's
//! rules.

use std::collections::{BTreeMap, BTreeSet};

use super::array::{Array, Member};
use crate::pci::bdf::Bdf;
use crate::pci::config::Kind;
use crate::pci::devices::{Device, Devices};
use crate::pci::reach::{Reach, Rules, Source, Way, Why};
use crate::sysroot::Sysroot;

/// The distance to each provider; `None` for an unreachable one.
pub type Distances = BTreeMap<Bdf, Option<u32>>;

/// What is known of reachability on a machine.
#[derive(Clone, Debug)]
pub struct Known<'a> {
    rules: Rules<'a>,
    /// What the kernel says of each client.
    kernel: BTreeMap<Bdf, Distances>,
    /// The controllers of members. With each is its driver, if that cannot map peer memory.
    members: BTreeMap<Bdf, Option<Why>>,
}

impl<'a> Known<'a> {
    /// Collects what the kernel says of the members of `arrays`, and its rules for `devices`.
    pub fn of(root: &Sysroot, devices: &'a Devices, arrays: &[Array]) -> Self {
        Self {
            rules: Rules::of(root, devices),
            kernel: distances_by_client(arrays),
            members: controllers(devices, arrays),
        }
    }

    /// Returns the kernel's rules.
    pub fn rules(&self) -> &Rules<'a> {
        &self.rules
    }

    /// Whether a device is the controller of a member of an array.
    pub fn is_controller(&self, address: Bdf) -> bool {
        self.members.contains_key(&address)
    }

    /// Returns why the driver of a member's controller cannot do DMA to peer memory; `None` if it can,
    /// or if the device is no such controller.
    pub fn refusal(&self, client: Bdf) -> Option<&Why> {
        self.members.get(&client)?.as_ref()
    }

    /// Returns how a client reaches a provider.
    pub fn reach(&self, provider: Bdf, client: Bdf) -> Reach {
        let told = self.kernel_distances(client);
        let told = told.and_then(|told| told.get(&provider)).copied();
        match (self.refusal(client), told) {
            // The rules are about bridges, but the driver matters too.
            (Some(why), None | Some(None)) => Reach {
                way: Way::No,
                distance: None,
                why: vec![why.clone()],
                source: match told {
                    Some(_) => Source::Kernel,
                    None => Source::Computed,
                },
            },
            (_, Some(distance)) => self.rules.stated(provider, client, distance),
            (_, None) => self.rules.reach(provider, client),
        }
    }

    /// Returns what the kernel says of a client; `None` if it says nothing.
    pub fn kernel_distances(&self, client: Bdf) -> Option<&Distances> {
        self.kernel.get(&client)
    }

    /// Returns the distance of a member from a provider; `None` if the member does not reach it. Of
    /// several paths the farthest counts.
    pub fn distance(&self, member: &Member, provider: Bdf) -> Option<u32> {
        if let Some(p2p) = &member.p2p {
            let said = p2p.distances.iter().find(|said| said.provider == provider);
            return said.and_then(|said| said.distance);
        }
        let paths = member.controllers.iter();
        let distances: Option<Vec<u32>> = paths
            .map(|&controller| self.reach(provider, controller).distance)
            .collect();
        distances?.into_iter().max()
    }
}

/// Returns why a device cannot do DMA to peer memory as the controller of a drive, wherever it is;
/// `None` if it can. Of the kernel's drivers, only nvme can (`BLK_FEAT_PCI_P2PDMA`).
pub fn other_driver(device: &Device) -> Option<Why> {
    let can = match device.driver.as_deref() {
        Some(driver) => driver == "nvme",
        None => device.kind == Kind::Nvme,
    };
    let driver = device.driver.clone();
    (!can).then_some(Why::OtherDriver { driver })
}

/// Collects the controllers of members. Peer I/O never goes to a journal.
fn controllers(devices: &Devices, arrays: &[Array]) -> BTreeMap<Bdf, Option<Why>> {
    let members = arrays.iter().flat_map(|array| &array.members);
    let members = members.filter(|member| !member.is_journal());
    let addresses = members.flat_map(|member| member.controllers.iter().copied());
    let known = addresses.filter_map(|address| devices.get(address));
    known
        .map(|device| (device.address, other_driver(device)))
        .collect()
}

/// Returns the members that are no PCI devices themselves: device mapper, loop, another array, or a
/// drive on another bus. Their I/O is always staged.
pub fn other_members(arrays: &[Array]) -> BTreeSet<&str> {
    let members = arrays.iter().flat_map(|array| &array.members);
    let others = members.filter(|it| it.controllers.is_empty() && !it.is_journal());
    others.map(|member| member.name.as_str()).collect()
}

/// Collects what the kernel says of each client. For a member with several paths it only gives the
/// distance of the farthest path, so such members are left out.
fn distances_by_client(arrays: &[Array]) -> BTreeMap<Bdf, Distances> {
    let mut told: BTreeMap<Bdf, Distances> = BTreeMap::new();
    for member in arrays.iter().flat_map(|array| &array.members) {
        if let ([client], Some(p2p)) = (&member.controllers[..], &member.p2p) {
            let distances = p2p.distances.iter();
            let distances = distances.map(|it| (it.provider, it.distance));
            told.entry(*client).or_default().extend(distances);
        }
    }
    told
}
