// SPDX-License-Identifier: GPL-2.0
//! Measures how far a device is from a provider.
//!
//! Tests: tests/create.rs.

use md_p2p_decide::reach;
use mdp2p_machine::block::device::BlockDevice;
use mdp2p_machine::md::reach::Known;
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
    if let Some(driver) = other_driver(machine, device) {
        return unreachable(format!("its driver, {driver}, cannot map peer memory"));
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

/// Returns the driver of the device if that driver cannot map peer memory. Of the kernel's drivers,
/// only nvme can (BLK_FEAT_PCI_P2PDMA).
pub fn other_driver<'a>(machine: &'a Devices, device: &BlockDevice) -> Option<&'a str> {
    device.controllers.iter().find_map(|&address| {
        let driver = machine.get(address)?.driver.as_deref()?;
        (driver != "nvme").then_some(driver)
    })
}
