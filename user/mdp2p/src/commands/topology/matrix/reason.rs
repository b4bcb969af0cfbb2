// SPDX-License-Identifier: GPL-2.0
//! Explains why a client does not reach a provider, or not directly, and what to do about it.
//!
//! Tests: tests/topology.rs.

use std::collections::BTreeSet;

use mdp2p_machine::pci::advice::{self, Advice, HostBridges};
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::reach::Why;

use super::group::Group;
use crate::commands::topology::tree::Tree;

/// What kind of reason it is; reasons are numbered in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    Acs,
    HostBridge,
    SameHostBridge,
    AcsUnknown,
    OtherDriver,
    NoPci,
    Disagrees,
}

/// The ports and host bridges that the causes of all cells are about.
#[derive(Default)]
pub struct Evidence {
    /// Ports that redirect.
    redirecting: BTreeSet<Bdf>,
    /// Ports that might redirect.
    unknown: BTreeSet<Bdf>,
    /// Host bridges that the kernel does not trust, with vendor and device.
    bridges: HostBridges,
    /// Host bridges that the kernel trusts only between devices that are both below them.
    same: BTreeSet<String>,
    /// Drivers that cannot map peer memory.
    drivers: BTreeSet<String>,
    /// All causes.
    pub causes: BTreeSet<Cause>,
}

impl Evidence {
    /// Records what `why` is about, and returns its cause; `None` if it only follows from another.
    pub fn record(&mut self, why: Why, row: &Group, column: &Group) -> Option<Cause> {
        Some(match why {
            Why::AcsRedirect { ports } => {
                let others = row.redirecting.iter().chain(&column.redirecting);
                self.redirecting.extend(others.copied().chain(ports));
                Cause::Acs
            }
            Why::AcsUnknown { ports } => {
                let others = row.unknown.iter().chain(&column.unknown);
                self.unknown.extend(others.copied().chain(ports));
                Cause::AcsUnknown
            }
            Why::HostBridge { bridge, id } => {
                self.bridges.insert(bridge, id);
                Cause::HostBridge
            }
            Why::SameHostBridgeOnly { bridge } => {
                self.same.insert(bridge);
                Cause::SameHostBridge
            }
            Why::OtherDriver { driver } => {
                self.drivers.extend(driver);
                Cause::OtherDriver
            }
            Why::KernelDisagrees => Cause::Disagrees,
            Why::NoCommonBridge | Why::HostBridgeTrusted | Why::ProcessorUnknown => return None,
        })
    }
}

/// Explains a cause.
pub fn explain(tree: &Tree, cause: Cause, evidence: &Evidence) -> Advice {
    const STAGED: &str = "Members that are NVMe drives on PCI can be direct. For all others the CPU \
                          copies the data (staged).";
    match cause {
        Cause::Acs => advice::acs(tree.sysroot, tree.devices, &evidence.redirecting),
        Cause::HostBridge => {
            advice::host_bridges(tree.sysroot, tree.known().rules(), &evidence.bridges)
        }
        Cause::SameHostBridge => advice::same_host_bridge(&evidence.same),
        Cause::AcsUnknown => advice::acs_unknown(tree.sysroot, &evidence.unknown),
        Cause::OtherDriver => {
            let drivers: Vec<&str> = evidence.drivers.iter().map(String::as_str).collect();
            let which = match &drivers[..] {
                [] => String::new(),
                some => format!(" ({})", some.join(", ")),
            };
            Advice::plain(
                format!("The driver of this controller{which} cannot map peer memory."),
                STAGED,
            )
        }
        Cause::NoPci => Advice::plain(
            "This member is no PCI device itself, so it does no DMA to peer memory.",
            STAGED,
        ),
        Cause::Disagrees => Advice::plain(
            "The kernel says so, contrary to its rules as mdp2p knows them.",
            "The kernel is right. swiotlb=force, a guest with encrypted memory, or a device that \
             cannot address the provider's memory can be the cause.",
        ),
    }
}
