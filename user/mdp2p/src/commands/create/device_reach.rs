// SPDX-License-Identifier: GPL-2.0
//! Measures how far a device is from a provider.
//!
//! Tests: tests/create.rs.

use md_p2p_decide::reach;
use mdp2p_machine::block::device::BlockDevice;
use mdp2p_machine::md::reach::{Known, other_driver};
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::devices::Devices;
use mdp2p_machine::pci::reach::Why;

/// How a device reaches a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceReach {
    /// The number of ports between them; `None` if the provider is unreachable.
    pub distance: Option<u32>,
    /// Why the provider is unreachable, or what is uncertain; otherwise empty.
    pub why: String,
}

/// Measures how far a device is from a provider, as `KnownMember::measure()` of the kernel module
/// does (kmod/entry.rs).
pub fn measure(
    machine: &Devices,
    known: &Known<'_>,
    device: &BlockDevice,
    provider: Bdf,
) -> DeviceReach {
    let unreachable = |why: String| DeviceReach {
        distance: None,
        why,
    };
    if device.controllers.is_empty() {
        return unreachable("it is not a PCI device itself".into());
    }
    if let Some(why) = refusal(machine, device) {
        return unreachable(why.to_string());
    }
    let all: Vec<_> = device
        .controllers
        .iter()
        .map(|&client| known.reach(provider, client))
        .collect();
    let distance = reach::farthest(all.iter().map(|one| one.distance));
    let mut why: Vec<String> = all
        .iter()
        .filter(|one| one.distance.is_some() == distance.is_some())
        .flat_map(|one| &one.why)
        // Reasons matter only if the provider is unreachable, or if reachability is a guess.
        .filter(|why| distance.is_none() || matches!(why, Why::AcsUnknown { .. }))
        .map(Why::to_string)
        .collect();
    why.dedup();
    DeviceReach {
        distance,
        why: why.join("; "),
    }
}

/// Returns why the driver of the device cannot map peer memory; `None` if it can.
pub fn refusal(machine: &Devices, device: &BlockDevice) -> Option<Why> {
    let mut controllers = device.controllers.iter();
    controllers.find_map(|&address| other_driver(machine.get(address)?))
}
