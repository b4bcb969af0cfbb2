// SPDX-License-Identifier: GPL-2.0
//! Says why a client does not reach a provider, or not directly, and what to do about it.

use std::collections::{BTreeMap, BTreeSet};

use super::bdf::Bdf;
use super::devices::{DEVICES, Device, Devices};
use super::reach::Rules;
use crate::sysroot::Sysroot;
use crate::virtual_machine;

/// Why a client does not reach a provider, or not directly, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// The reason, as a sentence.
    pub what: String,
    /// What to do, in sentences.
    pub remedy: Vec<String>,
    /// The kernel parameter that does it.
    pub parameter: Option<String>,
    /// What follows from using the parameter, in sentences.
    pub consequences: Vec<String>,
}

/// What is said of every virtual machine.
pub const GUEST: &str = "Which way is direct in a virtual machine depends on the host, because the \
                         switches, ACS and host bridges that a guest sees may be the hypervisor's \
                         own. Run mdp2p topology on the host too.";

/// Says where a parameter goes, without a full stop.
pub fn grub(parameter: &str) -> String {
    let semicolons = match parameter.contains(';') {
        true => " with \\; for each ;,",
        false => "",
    };
    format!(
        "GRUB: add it to GRUB_CMDLINE_LINUX in /etc/default/grub,{semicolons} then run update-grub"
    )
}

/// The most ports of which a sentence names each.
const FEW: usize = 8;

/// The longest parameter that names each port by its address. A command line has 2048 characters,
/// but such a parameter also has to be read and typed.
const LONGEST: usize = 69;

/// The host bridges that the kernel does not trust, each with vendor and device of the PCI device by
/// which the kernel judges it; `None` if there is no such device.
pub type HostBridges = BTreeMap<String, Option<(u16, u16)>>;

impl Advice {
    /// Makes advice without a parameter.
    pub fn plain(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            remedy: vec![remedy.into()],
            parameter: None,
            consequences: Vec::new(),
        }
    }

    /// Returns what to do and what follows from it, as one text.
    pub fn to_do(&self) -> String {
        let parameter = self.parameter.as_deref();
        let parameter = parameter.map(|it| format!("{it} ({}).", grub(it)));
        let sentences = self.remedy.iter().cloned().chain(parameter);
        let sentences = sentences.chain(self.consequences.iter().cloned());
        sentences.collect::<Vec<_>>().join(" ")
    }

    /// Returns what is said below the parameter.
    pub fn below_parameter(&self) -> Vec<String> {
        let parameter = self.parameter.as_deref();
        let grub = parameter.map(|it| grub(it) + ".");
        let sentences = grub.into_iter().chain(self.consequences.iter().cloned());
        sentences.collect()
    }
}

/// Says what to do about ports whose ACS redirects.
pub fn acs(sysroot: &Sysroot, devices: &Devices, ports: &BTreeSet<Bdf>) -> Advice {
    let iommu = |port: &Bdf| sysroot.link(format!("{DEVICES}/{port}/iommu_group"));
    let (parameter, by_kind) = acs_parameter(devices, ports);
    let mut consequences = Vec::new();
    if by_kind {
        let text = "This names all ports of that model. To name single ports, use addresses with \
                    semicolons between them.";
        consequences.push(text.to_owned());
    }
    consequences.push(
        "Devices below these ports are then no longer isolated from each other: do not give them \
         to different guests, or to programs that must not reach each other."
            .to_owned(),
    );
    consequences.push(
        match ports.iter().any(|port| iommu(port).is_some()) {
            true => {
                "An IOMMU is on, so the kernel sets ACS redirect itself. iommu=pt does not change \
                 that; iommu=off does, but it leaves what was set before the kernel started."
            }
            false => {
                "No IOMMU is on, so the kernel has not set ACS redirect: a switch may have it set \
                 at power-on, or the firmware may set it. Look for ACS in the firmware's setup."
            }
        }
        .to_owned(),
    );
    Advice {
        what: format!(
            "ACS redirects requests to the host bridge at {}.",
            list_ports(ports)
        ),
        remedy: vec!["To let switches pass them on, boot with this parameter:".to_owned()],
        parameter: Some(parameter),
        consequences,
    }
}

/// Returns the parameter that makes the kernel clear ACS redirect
/// (Documentation/admin-guide/kernel-parameters.txt), and whether it names ports by vendor and
/// device.
fn acs_parameter(devices: &Devices, ports: &BTreeSet<Bdf>) -> (String, bool) {
    let parameter = |names: Vec<String>| format!("pci=disable_acs_redir={}", names.join(";"));
    let addresses = parameter(ports.iter().map(|port| port.short()).collect());
    let kinds: BTreeSet<String> = ports
        .iter()
        .filter_map(|&port| devices.get(port))
        .map(|device| format!("pci:{:04x}:{:04x}", device.vendor, device.device))
        .collect();
    if addresses.len() <= LONGEST || kinds.len() >= ports.len() {
        return (addresses, false);
    }
    (parameter(kinds.into_iter().collect()), true)
}

/// Says what to do about ports of which it is unknown whether they redirect.
pub fn acs_unknown(sysroot: &Sysroot, ports: &BTreeSet<Bdf>) -> Advice {
    let remedy = match sysroot.is_here() {
        true => "Only root can read it: run mdp2p as root.".to_owned(),
        false => format!("It was not captured. {CAPTURE}"),
    };
    Advice::plain(
        format!(
            "It is unknown whether ACS redirects at {}; here it is assumed not to.",
            list_ports(ports)
        ),
        remedy,
    )
}

/// What to do about what was not captured.
pub const CAPTURE: &str = "Run mdp2p capture as root on that machine.";

/// Says what to do about host bridges that the kernel does not trust.
pub fn host_bridges(sysroot: &Sysroot, rules: &Rules, bridges: &HostBridges) -> Advice {
    let vmds = bridges.keys().filter_map(|bridge| rules.vmd(bridge));
    let vmds: BTreeMap<Bdf, &Device> = vmds.map(|vmd| (vmd.address, vmd)).collect();
    let mut what = format!(
        "The path leads through a host bridge that the kernel does not trust: {}.",
        list_host_bridges(sysroot, rules, bridges)
    );
    if !vmds.is_empty() {
        what += " Intel VMD moves drives to a root bus of its own, and the kernel judges that bus by \
                 its first device instead of the host bridge behind the VMD.";
    }
    Advice {
        remedy: remedy_for_host_bridges(sysroot, rules, bridges, &vmds),
        ..Advice::plain(what, "")
    }
}

fn remedy_for_host_bridges(
    sysroot: &Sysroot,
    rules: &Rules,
    bridges: &HostBridges,
    vmds: &BTreeMap<Bdf, &Device>,
) -> Vec<String> {
    if virtual_machine::vendor(sysroot).is_some() {
        return vec![
            "Have the hypervisor put provider and client below one emulated switch. Do so only if \
             they reach each other on the host: mdp2p topology shows it there."
                .to_owned(),
        ];
    }
    let mut remedy = Vec::new();
    if rules.is_processor_unknown() {
        remedy.push(format!(
            "The processor was not captured. If it is AMD Zen or later, the kernel trusts it, and \
             these reach each other. {CAPTURE}"
        ));
    }
    let is_trusted = |vmd: &&Device| rules.trusts(&vmd.host_bridge);
    let (trusted, others): (Vec<&Device>, Vec<&Device>) =
        vmds.values().copied().partition(is_trusted);
    if !trusted.is_empty() {
        let behind: BTreeSet<String> = trusted
            .iter()
            .map(|vmd| describe(rules, &vmd.host_bridge, rules.judged_by(&vmd.host_bridge)))
            .collect();
        let behind: Vec<String> = behind.into_iter().collect();
        remedy.push(format!(
            "Turn VMD off in the firmware's setup. The drives are then below a host bridge that is \
             on the kernel's list: {}. Before that, make sure that the machine does not boot from \
             an array that needs VMD (Intel VROC).",
            behind.join(", ")
        ));
    }
    // Those of processors, which stay when VMD is off.
    let remaining = bridges.keys().filter(|bridge| rules.vmd(bridge).is_none());
    let remaining: Vec<&str> = remaining.map(String::as_str).collect();
    if !trusted.is_empty() && !remaining.is_empty() {
        remedy.push(format!(
            "That does not help between devices below {}: the kernel goes on not to trust that.",
            remaining.join(", ")
        ));
    }
    if trusted.is_empty() || !others.is_empty() || !remaining.is_empty() {
        let vmd = match others.is_empty() {
            true => "",
            false => {
                " To turn VMD off would not help, because the host bridge behind it is not on \
                      that list either."
            }
        };
        remedy.push(format!(
            "Put provider and client below the same switch, or use a machine whose host bridge is \
             on the kernel's list: AMD Zen and later, Intel Xeon Scalable and later.{vmd}"
        ));
    }
    remedy
}

/// Lists host bridges, and the VMD with its place that a host bridge is.
fn list_host_bridges(sysroot: &Sysroot, rules: &Rules, bridges: &HostBridges) -> String {
    let names = bridges.iter().map(|(bridge, id)| {
        let vmd = rules.vmd(bridge);
        let vmd = vmd.map(|vmd| format!(" below VMD {}", place(sysroot, vmd.address)));
        describe(rules, bridge, *id) + &vmd.unwrap_or_default()
    });
    names.collect::<Vec<_>>().join(", ")
}

/// Describes a host bridge by the device by which the kernel judges it.
fn describe(rules: &Rules, bridge: &str, id: Option<(u16, u16)>) -> String {
    match (id, rules.first_device(bridge)) {
        (Some((vendor, device)), _) => format!("{bridge} ({vendor:04x}:{device:04x})"),
        (None, Some(first)) => format!(
            "{bridge} (its first device, {} of type {:04x}:{:04x}, is no root port)",
            first.address.short(),
            first.vendor,
            first.device
        ),
        (None, None) => format!("{bridge} (unknown)"),
    }
}

/// Returns the address of a device, and the NUMA node that it belongs to if that is known.
pub fn place(sysroot: &Sysroot, address: Bdf) -> String {
    let node = numa_node(sysroot, address);
    let node = node.map(|node| format!(" (NUMA node {node})"));
    address.short() + &node.unwrap_or_default()
}

/// Returns the NUMA node of a device; `None` if the machine has none, or does not tell.
pub fn numa_node(sysroot: &Sysroot, address: Bdf) -> Option<u32> {
    let node = sysroot.read(format!("{DEVICES}/{address}/numa_node"));
    // -1 stands for no node.
    node.ok()?.parse().ok()
}

/// Says what to do about host bridges that the kernel trusts only between devices that are both
/// below them.
pub fn same_host_bridge(bridges: &BTreeSet<String>) -> Advice {
    let bridges: Vec<&str> = bridges.iter().map(String::as_str).collect();
    Advice::plain(
        format!(
            "The kernel trusts {} only between devices that are both below it.",
            bridges.join(", ")
        ),
        "Put provider and client below the same host bridge, or the same switch.",
    )
}

/// Lists the addresses of ports, and counts those that are too many to be listed.
pub fn list_ports(all: &BTreeSet<Bdf>) -> String {
    let names: Vec<String> = all.iter().take(FEW).map(|&port| port.short()).collect();
    let more = match all.len().saturating_sub(FEW) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    names.join(", ") + &more
}
