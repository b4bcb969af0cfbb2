// SPDX-License-Identifier: GPL-2.0
//! Who reaches whose memory: as the running kernel says through md-p2p, or else by the kernel's
//! rules.

use std::collections::BTreeMap;

use super::array::{Array, Member};
use crate::pci::bdf::Bdf;
use crate::pci::devices::Devices;
use crate::pci::reach::{Reach, Rules};
use crate::sysroot::Sysroot;

/// The distance to each provider; `None` for an unreachable one.
pub type Distances = BTreeMap<Bdf, Option<u32>>;

/// What is known of reachability on a machine.
#[derive(Clone, Debug)]
pub struct Known<'a> {
    rules: Rules<'a>,
    /// What the kernel says of each client.
    kernel: BTreeMap<Bdf, Distances>,
}

impl<'a> Known<'a> {
    /// Collects what the kernel says of the members of `arrays`, and its rules for `devices`.
    pub fn of(root: &Sysroot, devices: &'a Devices, arrays: &[Array]) -> Self {
        Self {
            rules: Rules::of(root, devices),
            kernel: distances_by_client(arrays),
        }
    }

    /// Returns how a client reaches a provider.
    pub fn reach(&self, provider: Bdf, client: Bdf) -> Reach {
        match self
            .kernel_distances(client)
            .and_then(|told| told.get(&provider))
        {
            Some(&distance) => self.rules.stated(provider, client, distance),
            None => self.rules.reach(provider, client),
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
