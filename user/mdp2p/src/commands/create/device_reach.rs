// SPDX-License-Identifier: GPL-2.0
//! How far a device is from a provider.

use md_p2p_decide::reach;
use mdp2p_machine::block::device::BlockDevice;
use mdp2p_machine::md::reach::Known;
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::devices::Devices;
use mdp2p_machine::pci::reach::Why;

/// From a member to a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceReach {
    /// Ports between them; none if it is unreachable.
    pub distance: Option<u32>,
    /// Why it is unreachable, or what is uncertain.
    pub why: String,
}

/// How far a device is from a provider, as `Joined::measure()` of kmod/array.rs finds it.
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
        return unreachable("it is no PCI device by itself".into());
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
        // Why it is reached nobody asks, unless that is a guess.
        .filter(|why| distance.is_none() || matches!(why, Why::AcsUnknown { .. }))
        .map(Why::to_string)
        .collect();
    why.dedup();
    DeviceReach {
        distance,
        why: why.join("; "),
    }
}

/// The driver of a device if it is none that can map peer memory: of those in the kernel nvme
/// alone can (BLK_FEAT_PCI_P2PDMA).
pub fn other_driver<'a>(machine: &'a Devices, device: &BlockDevice) -> Option<&'a str> {
    device.controllers.iter().find_map(|&address| {
        let driver = machine.get(address)?.driver.as_deref()?;
        (driver != "nvme").then_some(driver)
    })
}
