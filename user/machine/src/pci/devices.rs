// SPDX-License-Identifier: GPL-2.0
//! Reads the PCI devices of a machine, and how they are connected, from `/sys/bus/pci/devices`
//! (Documentation/ABI/testing/sysfs-bus-pci) and from config space.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path};
use std::str::FromStr;

use anyhow::{Result, anyhow};
use serde::Serialize;

use super::bdf::Bdf;
use super::config::{self, Acs, Kind};
use crate::sysroot::{self, Sysroot, garbage};

/// The folder of all PCI devices.
pub const DEVICES: &str = "sys/bus/pci/devices";

/// A memory BAR with a size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bar {
    /// The number: 0 to 5.
    pub index: usize,
    /// The physical address.
    pub start: u64,
    /// The size in bytes.
    pub bytes: u64,
    /// Whether the BAR is prefetchable.
    pub prefetchable: bool,
    /// Whether the BAR can lie above 4 GiB.
    pub wide: bool,
}

/// A device's memory that can be one end of a transfer (p2pmem). Whether others may *allocate* from
/// it is another question, which `published` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct P2pmem {
    /// The size in bytes.
    pub bytes: u64,
    /// The bytes that are not allocated.
    pub available_bytes: u64,
    /// Whether others may allocate it.
    pub published: bool,
}

/// A PCI device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Device {
    /// The address.
    pub address: Bdf,
    /// The bridge above the device; `None` on a root bus.
    pub parent: Option<Bdf>,
    /// The name of the host bridge in sysfs: `pci0000:00`.
    pub host_bridge: String,
    /// The PCI device that is this host bridge: a VMD, whose domain begins there; `None` for the host
    /// bridges of processors.
    #[serde(skip)]
    pub vmd: Option<Bdf>,
    /// The vendor's number.
    #[serde(skip)]
    pub vendor: u16,
    /// The device's number.
    #[serde(skip)]
    pub device: u16,
    /// The class code: class, subclass and interface, a byte each.
    #[serde(skip)]
    pub class: u32,
    /// What the device is.
    pub kind: Kind,
    /// The driver that is bound; `None` if there is none.
    pub driver: Option<String>,
    /// The memory BARs.
    pub bars: Vec<Bar>,
    /// The memory for others.
    pub p2pmem: Option<P2pmem>,
    /// What ACS does.
    pub acs: Acs,
}

/// All PCI devices, by address.
#[derive(Clone, Debug, Default)]
pub struct Devices {
    all: BTreeMap<Bdf, Device>,
}

impl Devices {
    /// Reads all PCI devices of a machine. A device that is removed meanwhile is left out.
    ///
    /// # Errors
    /// If a file in sysfs cannot be understood; the error names the file.
    pub fn read(sysroot: &Sysroot) -> Result<Self> {
        let devices = sysroot::each(&sysroot.names(DEVICES)?, |name| {
            let address = name
                .parse()
                .map_err(|why: String| garbage(&sysroot.path(DEVICES), name, &why));
            let Some(address) = sysroot.tolerate(address)? else {
                return Ok(None);
            };
            let folder = format!("{DEVICES}/{name}");
            match Device::read(sysroot, address, &folder) {
                Ok(device) if !device.is_missing() => Ok(Some(device)),
                _ if !sysroot.has(&folder) => Ok(None),
                unknown => unknown.map(Some),
            }
        })?;
        let mut all = Self::of(devices);
        all.add_missing_bridges(sysroot);
        Ok(all)
    }

    /// Puts a bridge of which nothing is known in each place where the path of a device names a
    /// bridge that was not read. So devices of an incomplete capture hang where they hung, and
    /// distances are right.
    fn add_missing_bridges(&mut self, sysroot: &Sysroot) {
        let is_missing = |device: &&Device| {
            let parent = device.parent;
            parent.is_some_and(|parent| !self.all.contains_key(&parent))
        };
        let orphans: Vec<Bdf> = self
            .iter()
            .filter(is_missing)
            .map(|it| it.address)
            .collect();
        for orphan in orphans {
            let Some(path) = sysroot.target(format!("{DEVICES}/{orphan}")) else {
                continue;
            };
            for bridge in path.ancestors().skip(1) {
                match last_address(bridge) {
                    Some(address) if !self.all.contains_key(&address) => {
                        self.all.insert(address, Device::missing(address, bridge));
                    }
                    _ => break,
                }
            }
        }
    }

    /// Collects devices that were read, or made up by a test.
    pub fn of(devices: impl IntoIterator<Item = Device>) -> Self {
        let all = devices
            .into_iter()
            .map(|device| (device.address, device))
            .collect();
        Self { all }
    }

    /// Returns all devices, by address.
    pub fn iter(&self) -> impl Iterator<Item = &Device> {
        self.all.values()
    }

    /// Returns the device at an address.
    pub fn get(&self, address: Bdf) -> Option<&Device> {
        self.all.get(&address)
    }

    /// Returns the device itself, and then all bridges above the device, from the nearest on.
    pub fn upwards(&self, address: Bdf) -> impl Iterator<Item = &Device> {
        let above = |device: &&Device| device.parent.and_then(|parent| self.get(parent));
        // No more than a path has room for, so that garbage that leads in a ring ends too.
        std::iter::successors(self.get(address), above).take(512)
    }

    /// Returns the providers: the devices with p2pmem, published or not.
    pub fn providers(&self) -> impl Iterator<Item = &Device> {
        self.iter().filter(|device| device.is_provider())
    }

    /// Returns the lenders: the providers that publish their memory, so that others may allocate it.
    pub fn lenders(&self) -> impl Iterator<Item = &Device> {
        self.iter().filter(|device| device.is_lender())
    }
}

impl Device {
    fn read(sysroot: &Sysroot, address: Bdf, folder: &str) -> Result<Self> {
        let Location {
            host_bridge,
            parent,
            vmd,
        } = match sysroot.target(folder) {
            Some(path) => location(&path),
            None => Location::default(),
        };
        let sysroot = &sysroot.within(folder)?;
        let Identity {
            vendor,
            device,
            class,
        } = identity(sysroot, folder)?;
        let driver = sysroot.link("driver");
        let is_unknown = vendor == 0;
        // Others lie below it, so it is a bridge, whatever else it is.
        let class = match is_unknown && has_devices_below(sysroot) {
            true => config::PCI_BRIDGE << 8,
            false => class,
        };
        let space = match is_unknown || driver.is_some() || class >> 16 == config::BRIDGE {
            true => Space::open(sysroot),
            false => None,
        };
        let word = |at| space.as_ref()?.word(at);
        let port = match class >> 8 {
            config::PCI_BRIDGE => config::port_type(word),
            _ => None,
        };
        Ok(Self {
            address,
            parent,
            host_bridge,
            vmd,
            vendor,
            device,
            class,
            kind: config::kind(class, port),
            driver,
            bars: sysroot
                .tolerate(bars(sysroot, "resource"))?
                .unwrap_or_default(),
            p2pmem: sysroot.tolerate(p2pmem(sysroot, "p2pmem"))?.flatten(),
            acs: config::acs(word),
        })
    }

    /// Makes a bridge that other devices lie below, but that was not read itself.
    fn missing(address: Bdf, path: &Path) -> Self {
        let Location {
            host_bridge,
            parent,
            vmd,
        } = location(path);
        Self {
            address,
            parent,
            host_bridge,
            vmd,
            vendor: 0,
            device: 0,
            class: config::PCI_BRIDGE << 8,
            kind: Kind::Bridge,
            driver: None,
            bars: Vec::new(),
            p2pmem: None,
            acs: Acs::Unknown,
        }
    }

    /// Whether the device was not read: only the paths of others name it.
    pub fn is_missing(&self) -> bool {
        self.vendor == 0
    }

    /// Whether the device has p2pmem. A pool of no bytes is none.
    pub fn is_provider(&self) -> bool {
        self.p2pmem.as_ref().is_some_and(|memory| memory.bytes > 0)
    }

    /// Whether others may allocate the device's p2pmem.
    pub fn is_lender(&self) -> bool {
        let published = self.p2pmem.as_ref().is_some_and(|it| it.published);
        published && self.is_provider()
    }

    /// Returns the size of the largest memory BAR in bytes.
    pub fn largest_bar(&self) -> u64 {
        self.bars.iter().map(|bar| bar.bytes).max().unwrap_or(0)
    }

    /// Whether the device is a root port, or may be one, because only root can read the type.
    pub fn is_root_port(&self) -> bool {
        match self.kind {
            Kind::RootPort => true,
            Kind::Bridge => self.acs == Acs::Unknown,
            _ => false,
        }
    }

    /// Whether the device leads to other devices.
    pub fn is_bridge(&self) -> bool {
        matches!(
            self.kind,
            Kind::RootPort | Kind::UpstreamPort | Kind::DownstreamPort | Kind::Bridge
        )
    }
}

/// Config space of a device. On this machine each word is a trip to the device, so only the words
/// that are needed are read. On another machine it is a file like others.
enum Space {
    Here(File),
    Elsewhere(Vec<u8>),
}

impl Space {
    /// Opens it; `None` if it cannot be read.
    fn open(device: &Sysroot) -> Option<Self> {
        let path = Path::new("config");
        match device.is_here() {
            true => device.file(path).ok().map(Self::Here),
            false => device.bytes(path).ok().map(Self::Elsewhere),
        }
    }

    /// Returns 16 bits; `None` where it ends.
    fn word(&self, at: usize) -> Option<u16> {
        let mut word = [0; 2];
        match self {
            Self::Here(file) => file.read_exact_at(&mut word, at as u64).ok()?,
            Self::Elsewhere(bytes) => word.copy_from_slice(bytes.get(at..at + 2)?),
        }
        Some(u16::from_le_bytes(word))
    }
}

/// Returns what a device says that it is, or the numbers 0 if that is not known.
fn identity(device: &Sysroot, folder: &str) -> Result<Identity> {
    let identity = device.value_if("modalias");
    if let Some(identity) = device.tolerate(identity)?.flatten() {
        return Ok(identity);
    }
    // The folder of a device that has just been removed is empty.
    if !device.has("modalias") && !device.names("").unwrap_or_default().is_empty() {
        let error = anyhow!("{folder}/modalias is missing, so nobody can tell what it is");
        let _ = device.tolerate::<()>(Err(error));
    }
    Ok(Identity::default())
}

/// Tells whether the folder of a device has those of others.
fn has_devices_below(device: &Sysroot) -> bool {
    let names = device.names("").unwrap_or_default();
    names.iter().any(|name| name.parse::<Bdf>().is_ok())
}

/// Where a device is.
#[derive(Debug, Default, PartialEq, Eq)]
struct Location {
    host_bridge: String,
    parent: Option<Bdf>,
    vmd: Option<Bdf>,
}

/// Returns where a device is by its path in `sys/devices`: the components before the last, up to the
/// first that is no PCI address. That is the host bridge; the address of a VMD may come before it.
fn location(path: &Path) -> Location {
    let names = path
        .components()
        .rev()
        .filter_map(|component| match component {
            Component::Normal(name) => name.to_str(),
            _ => None,
        });
    let mut location = Location::default();
    let mut names = names.skip(1);
    for name in names.by_ref() {
        match name.parse() {
            Ok(address) => location.parent = location.parent.or(Some(address)),
            Err(_) => {
                location.host_bridge = name.to_owned();
                break;
            }
        }
    }
    location.vmd = names.next().and_then(|name| name.parse().ok());
    location
}

/// Returns the address that a path ends with.
fn last_address(path: &Path) -> Option<Bdf> {
    path.file_name()?.to_str()?.parse().ok()
}

/// The numbers by which drivers know a device.
#[derive(Default)]
struct Identity {
    vendor: u16,
    device: u16,
    class: u32,
}

impl FromStr for Identity {
    type Err = &'static str;

    /// Parses `modalias`, one file with all numbers (`modalias_show()` in drivers/pci/pci-sysfs.c):
    /// `pci:v00008086d000029C0sv00001AF4sd00001100bc06sc00i00`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut rest = text;
        let mut field = |name: &str, digits: usize| {
            let (number, after) = rest.strip_prefix(name)?.split_at_checked(digits)?;
            rest = after;
            u32::from_str_radix(number, 16).ok()
        };
        let mut identity = || {
            let [vendor, device] = [field("pci:v", 8)?, field("d", 8)?];
            let _subsystem = [field("sv", 8)?, field("sd", 8)?];
            let [class, subclass, interface] = [field("bc", 2)?, field("sc", 2)?, field("i", 2)?];
            Some(Self {
                vendor: vendor.try_into().ok()?,
                device: device.try_into().ok()?,
                class: class << 16 | subclass << 8 | interface,
            })
        };
        identity().ok_or("pci:v…d…sv…sd…bc…sc…i… is wanted, with hexadecimal numbers")
    }
}

// IORESOURCE_MEM, IORESOURCE_PREFETCH and IORESOURCE_MEM_64 (include/linux/ioport.h).
const MEM: u64 = 0x200;
const PREFETCH: u64 = 0x2000;
const MEM_64: u64 = 0x10_0000;

/// Reads the BARs: start, end and flags in the first six lines of `resource`.
fn bars(sysroot: &Sysroot, path: &str) -> Result<Vec<Bar>> {
    let text = sysroot.lines_if(path)?.unwrap_or_default();
    let mut bars = Vec::new();
    for (index, line) in text.lines().take(6).enumerate() {
        let numbers = line
            .split_whitespace()
            .map(|word| u64::from_str_radix(word.trim_start_matches("0x"), 16))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| garbage(&sysroot.path(path), line, &error))?;
        let [start, end, flags] = numbers[..] else {
            let why = "start, end and flags are wanted";
            return Err(garbage(&sysroot.path(path), line, &why));
        };
        if flags & MEM != 0 && end > start {
            bars.push(Bar {
                index,
                start,
                bytes: (end - start).saturating_add(1),
                prefetchable: flags & PREFETCH != 0,
                wide: flags & MEM_64 != 0,
            });
        }
    }
    Ok(bars)
}

/// Reads the memory of each provider, by address. This is far quicker than [`Devices::read`], for
/// callers that read often.
///
/// # Errors
/// If a file in sysfs cannot be understood; the error names the file.
pub fn provider_memory(sysroot: &Sysroot) -> Result<Vec<(Bdf, P2pmem)>> {
    let mut found = Vec::new();
    for name in sysroot.names(DEVICES)? {
        let memory = p2pmem(sysroot, &format!("{DEVICES}/{name}/p2pmem"));
        let memory = sysroot.tolerate(memory)?.flatten();
        if let Some(memory) = memory.filter(|memory| memory.bytes > 0) {
            let address = name
                .parse()
                .map_err(|why: String| garbage(&sysroot.path(DEVICES), &name, &why))?;
            found.push((address, memory));
        }
    }
    Ok(found)
}

/// Reads a device's memory for others; `None` if it has none.
fn p2pmem(sysroot: &Sysroot, folder: &str) -> Result<Option<P2pmem>> {
    let Some(bytes) = sysroot.value_if(format!("{folder}/size"))? else {
        return Ok(None);
    };
    Ok(Some(P2pmem {
        bytes,
        available_bytes: sysroot
            .value_if(format!("{folder}/available"))?
            .unwrap_or(0),
        published: sysroot
            .value_if::<u8>(format!("{folder}/published"))?
            .is_some_and(|published| published != 0),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_tells_host_bridge_and_parent() {
        let address = |text: &str| text.parse::<Bdf>().expect(text);
        for (path, host_bridge, parent, vmd) in [
            (
                "../../../devices/pci0000:00/0000:00:01.0/0000:01:00.0",
                "pci0000:00",
                Some("0000:00:01.0"),
                None,
            ),
            (
                "../../../devices/pci0000:00/0000:00:1f.2",
                "pci0000:00",
                None,
                None,
            ),
            // Below a VMD another hierarchy begins.
            (
                "../../../devices/pci0000:00/0000:00:0e.0/pci10000:00/10000:00:01.0",
                "pci10000:00",
                None,
                Some("0000:00:0e.0"),
            ),
        ] {
            let expected = Location {
                host_bridge: host_bridge.into(),
                parent: parent.map(address),
                vmd: vmd.map(address),
            };
            assert_eq!(location(Path::new(path)), expected);
        }
    }
}
