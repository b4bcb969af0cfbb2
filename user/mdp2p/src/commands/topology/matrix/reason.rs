// SPDX-License-Identifier: GPL-2.0
//! Explains why a client does not reach a provider, or not directly, and what to do about it.
//!
//! Tests: tests/topology.rs.

use std::collections::{BTreeMap, BTreeSet};

use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::devices::DEVICES;
use mdp2p_machine::pci::reach::Why;

use super::group::Group;
use crate::commands::topology::tree::Tree;

/// Why a client does not reach a provider, or not directly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The reason, as a sentence.
    pub what: String,
    /// What to do.
    pub remedy: Vec<String>,
    /// The kernel parameter that does it.
    pub parameter: Option<String>,
    /// What follows from using the parameter.
    pub consequences: Vec<String>,
}

/// What kind of reason it is; reasons are numbered in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    Acs,
    HostBridge,
    SameHostBridge,
    AcsUnknown,
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
    bridges: BTreeMap<String, Option<(u16, u16)>>,
    /// Host bridges that the kernel trusts only between devices that are both below them.
    same: BTreeSet<String>,
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
            Why::KernelDisagrees => Cause::Disagrees,
            Why::NoCommonBridge | Why::HostBridgeTrusted => return None,
        })
    }
}

/// Explains a cause.
pub fn explain(tree: &Tree, cause: Cause, evidence: &Evidence) -> Reason {
    let plain = |what: String, remedy: &str| Reason {
        what,
        remedy: vec![remedy.to_owned()],
        parameter: None,
        consequences: Vec::new(),
    };
    match cause {
        Cause::Acs => explain_acs(tree, &evidence.redirecting),
        Cause::HostBridge => {
            let bridges = evidence.bridges.iter().map(|(bridge, id)| match id {
                Some((vendor, device)) => format!("{bridge} ({vendor:04x}:{device:04x})"),
                None => format!("{bridge} (unknown)"),
            });
            let bridges = bridges.collect::<Vec<_>>().join(", ");
            plain(
                format!(
                    "The path leads through a host bridge that the kernel does not trust: {bridges}."
                ),
                "Put provider and client below the same switch, or use a machine whose host \
                 bridge is on the kernel's list: AMD Zen and later, Intel Xeon Scalable and later.",
            )
        }
        Cause::SameHostBridge => {
            let bridges = evidence.same.iter().cloned().collect::<Vec<_>>().join(", ");
            plain(
                format!("The kernel trusts {bridges} only between devices that are both below it."),
                "Put provider and client below the same host bridge, or the same switch.",
            )
        }
        Cause::AcsUnknown => plain(
            format!(
                "Only root can see whether ACS redirects at {}; here it is assumed not to.",
                list_ports(&evidence.unknown)
            ),
            "Run mdp2p as root.",
        ),
        Cause::Disagrees => plain(
            "The kernel says so, contrary to its rules as mdp2p knows them.".to_owned(),
            "The kernel is right. swiotlb=force, a guest with encrypted memory, or a device that \
             cannot address the provider's memory can be the cause.",
        ),
    }
}

/// Explains that ports redirect.
fn explain_acs(tree: &Tree, redirecting: &BTreeSet<Bdf>) -> Reason {
    let iommu = |port: &Bdf| tree.sysroot.link(format!("{DEVICES}/{port}/iommu_group"));
    let (parameter, by_kind) = acs_parameter(tree, redirecting);
    let mut consequences = vec![
        "Devices below these ports are then no longer isolated from each other: do not give them \
         to different guests, or to programs that must not reach each other."
            .to_owned(),
    ];
    if by_kind {
        let text = "This names all ports of that model. To name single ports, use addresses with \
                    semicolons between them.";
        consequences.push(text.to_owned());
    }
    consequences.push(
        match redirecting.iter().any(|port| iommu(port).is_some()) {
            true => {
                "An IOMMU is on, so the kernel sets ACS redirect itself. iommu=pt does not change \
                 that; iommu=off does, but it leaves what the firmware has set."
            }
            false => {
                "No IOMMU is on, so the firmware has set ACS redirect: look for ACS in its setup."
            }
        }
        .to_owned(),
    );
    Reason {
        what: format!(
            "ACS redirects requests to the host bridge at {}.",
            list_ports(redirecting)
        ),
        remedy: vec![
            "To let switches pass them on, boot with this (in GRUB, quote the semicolons):"
                .to_owned(),
        ],
        parameter: Some(parameter),
        consequences,
    }
}

/// Returns the parameter that makes the kernel clear ACS redirect
/// (Documentation/admin-guide/kernel-parameters.txt), and whether it names ports by vendor and
/// device, because many addresses do not fit on a command line.
fn acs_parameter(tree: &Tree, ports: &BTreeSet<Bdf>) -> (String, bool) {
    const MANY: usize = 8;
    let kinds: BTreeSet<String> = ports
        .iter()
        .filter_map(|&port| tree.devices.get(port))
        .map(|device| format!("pci:{:04x}:{:04x}", device.vendor, device.device))
        .collect();
    let by_kind = ports.len() > MANY && kinds.len() < ports.len();
    let names: Vec<String> = match by_kind {
        true => kinds.into_iter().collect(),
        false => ports.iter().map(|&port| port.short()).collect(),
    };
    (
        format!("pci=disable_acs_redir={}", names.join(";")),
        by_kind,
    )
}

/// Lists the addresses of ports, and counts those that are too many to be listed.
fn list_ports(all: &BTreeSet<Bdf>) -> String {
    const MANY: usize = 8;
    let names: Vec<String> = all.iter().take(MANY).map(|&port| port.short()).collect();
    let more = match all.len().saturating_sub(MANY) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    names.join(", ") + &more
}
