// SPDX-License-Identifier: GPL-2.0
//! The kernel's rules for which device reaches whose memory, and why not
//! (`calc_map_type_and_dist()` in drivers/pci/p2pdma.c).

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::bdf::Bdf;
use super::config::Acs;
use super::devices::{Device, Devices};
use super::trusted;
use crate::sysroot::Sysroot;

/// The path that DMA takes from a client to a provider's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// From port to port of a switch, or within the device.
    Direct,
    /// Up to the root complex and down again.
    ThroughHostBridge,
    /// DMA is not possible.
    No,
}

/// Why DMA takes that path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Why {
    /// These ports redirect requests to the root complex.
    AcsRedirect {
        /// The ports.
        ports: Vec<Bdf>,
    },
    /// No bridge is above both devices.
    NoCommonBridge,
    /// The kernel does not trust this host bridge to pass requests on.
    HostBridge {
        /// The name of the host bridge in sysfs.
        bridge: String,
        /// Vendor and device that the kernel looks for in its list; `None` if it finds no device.
        id: Option<(u16, u16)>,
    },
    /// The kernel trusts this host bridge only between devices that are both below it.
    SameHostBridgeOnly {
        /// The name of the host bridge in sysfs.
        bridge: String,
    },
    /// The host bridge passes requests on: it is on the kernel's list, or the kernel trusts the
    /// processor.
    HostBridgeTrusted,
    /// The client's driver cannot map peer memory: of the kernel's drivers of drives, only nvme can.
    OtherDriver {
        /// The driver; `None` if none is bound.
        driver: Option<String>,
    },
    /// Only root can read whether these ports redirect.
    AcsUnknown {
        /// The ports.
        ports: Vec<Bdf>,
    },
    /// The processor was not captured: the kernel trusts some, whatever their host bridges are.
    ProcessorUnknown,
    /// The kernel contradicts its rules as mdp2p knows them.
    KernelDisagrees,
}

/// Where an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The running kernel, through md-p2p's sysfs.
    Kernel,
    /// mdp2p, by the kernel's rules.
    Computed,
}

/// How a client reaches a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reach {
    /// The path.
    pub way: Way,
    /// The number of ports between the two, as `pci_p2pdma_distance()` counts; `None` if unreachable.
    pub distance: Option<u32>,
    /// Why DMA takes no shorter path.
    pub why: Vec<Why>,
    /// Where the answer comes from.
    pub source: Source,
}

/// The rules, with what they need to know of the machine.
#[derive(Clone, Debug)]
pub struct Rules<'a> {
    devices: &'a Devices,
    /// `cpu_supports_p2pdma()`: AMD, family 17h (Zen) or later; `None` if that was not captured.
    trusted_processor: Option<bool>,
    /// The first device on the root bus of each host bridge (`pci_host_bridge_dev()`).
    root_devices: BTreeMap<&'a str, &'a Device>,
}

impl<'a> Rules<'a> {
    /// Makes the rules for the machine from which `devices` were read.
    pub fn of(sysroot: &Sysroot, devices: &'a Devices) -> Self {
        const PROCESSOR: &str = "proc/cpuinfo";
        let processor = sysroot.needs(&[PROCESSOR]);
        let processor = processor.and_then(|()| sysroot.lines_if(PROCESSOR));
        let processor = processor.ok().flatten();
        let mut root_devices = BTreeMap::new();
        for device in devices.iter().filter(|device| device.parent.is_none()) {
            root_devices
                .entry(device.host_bridge.as_str())
                .or_insert(device);
        }
        Self {
            root_devices,
            devices,
            trusted_processor: processor.as_deref().map(trusted::is_zen),
        }
    }

    /// Works out how `client` reaches the memory of `provider`.
    pub fn reach(&self, provider: Bdf, client: Bdf) -> Reach {
        let above_provider: Vec<&Device> = self.devices.upwards(provider).collect();
        let above_client: Vec<&Device> = self.devices.upwards(client).collect();
        let meeting = above_provider.iter().enumerate().find_map(|(a, device)| {
            let b = above_client
                .iter()
                .position(|other| other.address == device.address)?;
            Some((a, b))
        });
        let (above, distance) = match meeting {
            // All devices on the path. The provider's part includes the bridge where the two meet.
            Some((a, b)) => (
                above_provider[..=a]
                    .iter()
                    .chain(&above_client[..b])
                    .copied(),
                a + b,
            ),
            None => (
                above_provider[..].iter().chain(&above_client[..0]).copied(),
                above_provider.len() + above_client.len(),
            ),
        };
        let mut redirecting = Vec::new();
        let mut unknown = Vec::new();
        for device in above {
            match device.acs {
                Acs::Redirects => redirecting.push(device.address),
                Acs::Unknown if device.is_bridge() => unknown.push(device.address),
                _ => {}
            }
        }
        let distance = u32::try_from(distance).ok();
        let mut why = Vec::new();
        if meeting.is_none() {
            why.push(Why::NoCommonBridge);
        } else {
            if !unknown.is_empty() && redirecting.is_empty() {
                why.push(Why::AcsUnknown { ports: unknown });
            }
            if redirecting.is_empty() {
                return Reach {
                    way: Way::Direct,
                    distance,
                    why,
                    source: Source::Computed,
                };
            }
            why.push(Why::AcsRedirect { ports: redirecting });
        }
        let refusals = self.refusals(provider, client);
        let (way, distance) = match refusals[..] {
            [] => (Way::ThroughHostBridge, distance),
            _ => (Way::No, None),
        };
        if refusals.is_empty() {
            why.push(Why::HostBridgeTrusted);
        }
        why.extend(refusals);
        Reach {
            way,
            distance,
            why,
            source: Source::Computed,
        }
    }

    /// Returns how `client` reaches `provider` by the kernel's word: a distance, or `None` if
    /// unreachable. The rules only explain it.
    pub fn stated(&self, provider: Bdf, client: Bdf, distance: Option<u32>) -> Reach {
        let mut reach = self.reach(provider, client);
        reach.source = Source::Kernel;
        let guess = std::mem::replace(&mut reach.distance, distance);
        if guess.is_some() != distance.is_some() {
            reach.why = vec![Why::KernelDisagrees];
            reach.way = match distance {
                Some(_) => Way::ThroughHostBridge,
                None => Way::No,
            };
        }
        reach
    }

    /// Returns the VMD that is a host bridge; `None` if a processor is.
    pub fn vmd(&self, bridge: &str) -> Option<&Device> {
        let vmd = self.root_devices.get(bridge)?.vmd?;
        self.devices.get(vmd)
    }

    /// Returns the first device on the root bus of a host bridge, as far as it is known.
    pub fn first_device(&self, bridge: &str) -> Option<&Device> {
        let first = self.root_devices.get(bridge).copied();
        first.filter(|device| !device.is_missing())
    }

    /// Returns the numbers of the device by which the kernel judges a host bridge; `None` if there is
    /// no such device.
    pub fn judged_by(&self, bridge: &str) -> Option<(u16, u16)> {
        let root = self.root_device(bridge)?;
        Some((root.vendor, root.device))
    }

    /// Whether the kernel trusts a host bridge to pass requests on.
    pub fn trusts(&self, bridge: &str) -> bool {
        self.trusts_processor() || self.refusal_by(bridge, true).is_none()
    }

    /// Whether the kernel trusts the processor, so far as it is known.
    fn trusts_processor(&self) -> bool {
        self.trusted_processor == Some(true)
    }

    /// Whether nobody can tell what the processor is.
    pub fn is_processor_unknown(&self) -> bool {
        self.trusted_processor.is_none()
    }

    /// Returns why the host bridges do not pass requests on, one reason for each that does not
    /// (`host_bridge_whitelist()`).
    fn refusals(&self, provider: Bdf, client: Bdf) -> Vec<Why> {
        if self.trusts_processor() {
            return Vec::new();
        }
        let bridge = |address| Some(self.devices.get(address)?.host_bridge.as_str());
        let (a, b) = (bridge(provider).unwrap_or(""), bridge(client).unwrap_or(""));
        let same = a == b;
        let bridges = [Some(a), (!same).then_some(b)].into_iter().flatten();
        let mut refusals: Vec<Why> = bridges
            .filter_map(|bridge| self.refusal_by(bridge, same))
            .collect();
        if self.is_processor_unknown() && !refusals.is_empty() {
            refusals.push(Why::ProcessorUnknown);
        }
        refusals
    }

    /// Returns why one host bridge does not. `same` says whether both devices are below it.
    fn refusal_by(&self, bridge: &str, same: bool) -> Option<Why> {
        let bridge_name = bridge.to_owned();
        let Some(root) = self.root_device(bridge) else {
            return Some(Why::HostBridge {
                bridge: bridge_name,
                id: None,
            });
        };
        match trusted::entry(root.vendor, root.device) {
            None => Some(Why::HostBridge {
                bridge: bridge_name,
                id: Some((root.vendor, root.device)),
            }),
            Some(entry) if entry.same_only && !same => Some(Why::SameHostBridgeOnly {
                bridge: bridge_name,
            }),
            Some(_) => None,
        }
    }

    /// Returns the device by which the kernel knows a host bridge: the first on its root bus, if that
    /// is 00.0 or a root port.
    fn root_device(&self, bridge: &str) -> Option<&Device> {
        self.first_device(bridge).filter(|device| {
            let first = device.address.device == 0 && device.address.function == 0;
            first || device.is_root_port()
        })
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Way::Direct => "direct",
            Way::ThroughHostBridge => "through host bridge",
            Way::No => "no",
        })
    }
}

impl fmt::Display for Why {
    /// Writes a sentence without its full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::AcsRedirect { ports } => {
                write!(f, "ACS redirects to the host bridge at {}", Ports(ports))
            }
            Why::NoCommonBridge => write!(f, "no switch or root port is above both"),
            Why::HostBridge {
                bridge,
                id: Some((vendor, device)),
            } => write!(
                f,
                "the kernel does not trust host bridge {bridge} ({vendor:04x}:{device:04x})"
            ),
            Why::HostBridge { bridge, id: None } => {
                write!(f, "the kernel cannot tell what host bridge {bridge} is")
            }
            Why::SameHostBridgeOnly { bridge } => write!(
                f,
                "the kernel trusts host bridge {bridge} only between devices that are both below it"
            ),
            Why::HostBridgeTrusted => write!(f, "the kernel trusts the host bridge"),
            Why::OtherDriver {
                driver: Some(driver),
            } => write!(f, "its driver, {driver}, cannot map peer memory"),
            Why::OtherDriver { driver: None } => {
                write!(f, "it has no driver that could map peer memory")
            }
            Why::AcsUnknown { ports } => {
                write!(f, "it is unknown whether ACS redirects at {}", Ports(ports))
            }
            Why::ProcessorUnknown => write!(
                f,
                "the processor was not captured, and the kernel trusts AMD Zen and later"
            ),
            Why::KernelDisagrees => write!(
                f,
                "the kernel says so, contrary to its rules as mdp2p knows them"
            ),
        }
    }
}

struct Ports<'a>(&'a [Bdf]);

impl fmt::Display for Ports<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, port) in self.0.iter().enumerate() {
            let comma = if number > 0 { ", " } else { "" };
            write!(f, "{comma}{port}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pci::config::Kind;

    const A: &str = "0000:03:00.0";
    const B: &str = "0000:04:00.0";
    const FAR: &str = "0000:05:00.0";

    fn address(text: &str) -> Bdf {
        text.parse().expect("an address")
    }

    fn device(at: &str, parent: Option<&str>, kind: Kind) -> Device {
        Device {
            address: address(at),
            parent: parent.map(address),
            host_bridge: "pci0000:00".into(),
            vmd: None,
            vendor: 0x8086,
            device: 0x29c0,
            class: 0,
            kind,
            driver: None,
            bars: Vec::new(),
            p2pmem: None,
            acs: Acs::None,
        }
    }

    /// Two drives behind a switch, and one behind a root port of its own.
    fn machine(change: impl Fn(&mut Device)) -> Devices {
        let mut all = [
            device("0000:00:00.0", None, Kind::Other),
            device("0000:00:01.0", None, Kind::RootPort),
            device("0000:00:02.0", None, Kind::RootPort),
            device("0000:01:00.0", Some("0000:00:01.0"), Kind::UpstreamPort),
            device("0000:02:00.0", Some("0000:01:00.0"), Kind::DownstreamPort),
            device("0000:02:01.0", Some("0000:01:00.0"), Kind::DownstreamPort),
            device(A, Some("0000:02:00.0"), Kind::Nvme),
            device(B, Some("0000:02:01.0"), Kind::Nvme),
            device(FAR, Some("0000:00:02.0"), Kind::Nvme),
        ];
        all.iter_mut().for_each(change);
        Devices::of(all)
    }

    fn reach(devices: &Devices, zen: bool, provider: &str, client: &str) -> Reach {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(folder.path().join("sys")).expect("sys");
        std::fs::create_dir_all(folder.path().join("proc")).expect("proc");
        let cpu = "vendor_id\t: AuthenticAMD\ncpu family\t: 23\n";
        std::fs::write(
            folder.path().join("proc/cpuinfo"),
            if zen { cpu } else { "" },
        )
        .expect("cpuinfo");
        let sysroot = Sysroot::at(folder.path()).expect("a host");
        Rules::of(&sysroot, devices).reach(address(provider), address(client))
    }

    #[test]
    fn a_switch_passes_it_on() {
        let devices = machine(|_| {});
        let pair = reach(&devices, false, A, B);
        assert_eq!((pair.way, pair.distance), (Way::Direct, Some(4)));
        assert_eq!(pair.why, []);
        let same = reach(&devices, false, A, A);
        assert_eq!((same.way, same.distance), (Way::Direct, Some(0)));
    }

    #[test]
    fn between_root_ports_the_host_bridge_has_to_be_trusted() {
        let devices = machine(|_| {});
        let far = reach(&devices, false, A, FAR);
        assert_eq!((far.way, far.distance), (Way::No, None));
        let id = Some((0x8086, 0x29c0));
        let bridge = "pci0000:00".to_owned();
        assert_eq!(
            far.why,
            [Why::NoCommonBridge, Why::HostBridge { bridge, id }]
        );
        let zen = reach(&devices, true, A, FAR);
        assert_eq!((zen.way, zen.distance), (Way::ThroughHostBridge, Some(6)));
        let listed = machine(|device| device.device = 0x2030);
        assert_eq!(reach(&listed, false, A, FAR).way, Way::ThroughHostBridge);
    }

    #[test]
    fn some_host_bridges_are_trusted_only_within_themselves() {
        let split = |id| {
            let mut all: Vec<Device> = machine(|device| device.device = id)
                .iter()
                .cloned()
                .collect();
            for device in &mut all {
                if [FAR, "0000:00:02.0"].map(address).contains(&device.address) {
                    device.host_bridge = "pci0000:80".into();
                }
            }
            Devices::of(all)
        };
        let apart = reach(&split(0x2f00), false, A, FAR);
        assert_eq!(apart.way, Way::No);
        assert!(matches!(apart.why[1], Why::SameHostBridgeOnly { .. }));
        assert_eq!(
            reach(&split(0x2030), false, A, FAR).way,
            Way::ThroughHostBridge
        );
    }

    #[test]
    fn acs_redirect_sends_it_to_the_host_bridge() {
        for port in ["0000:02:00.0", "0000:02:01.0", "0000:01:00.0"] {
            let devices = machine(|device| {
                if device.address == address(port) {
                    device.acs = Acs::Redirects;
                }
            });
            let pair = reach(&devices, false, A, B);
            assert_eq!(pair.way, Way::No, "{port}");
            let ports = vec![address(port)];
            assert_eq!(pair.why[0], Why::AcsRedirect { ports });
            assert_eq!(reach(&devices, true, A, B).way, Way::ThroughHostBridge);
        }
        // A port above the switch has nothing to do with it.
        let devices = machine(|device| {
            if device.kind == Kind::RootPort {
                device.acs = Acs::Redirects;
            }
        });
        assert_eq!(reach(&devices, false, A, B).way, Way::Direct);
    }

    #[test]
    fn what_only_root_can_see_is_said_to_be_unknown() {
        let devices = machine(|device| {
            device.acs = Acs::Unknown;
            // The type of a port is in what they cannot see.
            if device.is_bridge() {
                device.kind = Kind::Bridge;
            }
        });
        let pair = reach(&devices, false, A, B);
        assert_eq!(pair.way, Way::Direct);
        assert!(matches!(&pair.why[..], [Why::AcsUnknown { ports }] if ports.len() == 3));
    }

    #[test]
    fn the_kernel_has_the_last_word() {
        let devices = machine(|_| {});
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(folder.path().join("sys")).expect("sys");
        let sysroot = Sysroot::at(folder.path()).expect("a host");
        let rules = Rules::of(&sysroot, &devices);
        let agreed = rules.stated(address(A), address(B), Some(4));
        assert_eq!((agreed.way, agreed.source), (Way::Direct, Source::Kernel));
        let not = rules.stated(address(A), address(B), None);
        assert_eq!((not.way, not.distance), (Way::No, None));
        assert_eq!(not.why, [Why::KernelDisagrees]);
    }
}
