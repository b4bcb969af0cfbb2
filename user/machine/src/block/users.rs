// SPDX-License-Identifier: GPL-2.0
//! Finds the users of a block device: filesystems, swap, and drivers that hold it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::Result;

use crate::programs::command_line;
use crate::sysroot::{Sysroot, garbage};
use crate::text::shown;

/// Where the kernel lists the mounted filesystems.
pub const MOUNTS: &str = "proc/self/mountinfo";

/// The places without which a system does not run.
pub const ESSENTIAL: [&str; 6] = ["/", "/etc", "/nix", "/nix/store", "/usr", "/var"];

/// A use of a block device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Use {
    /// A filesystem on it is mounted on this folder.
    Mounted(String),
    /// It is swap space.
    Swap,
    /// This block device, of device mapper or md, is built on it.
    Holder(Holder),
}

/// A block device that is built on another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The kernel's name.
    pub name: String,
    /// The name that device mapper has for it; empty if another driver made it.
    alias: String,
    /// Device mapper's identifier, which begins with who made it: `LVM-`, `CRYPT-`.
    uuid: String,
}

impl Holder {
    fn read(sysroot: &Sysroot, name: String) -> Result<Self> {
        let text = |file| sysroot.read_if(format!("sys/class/block/{name}/dm/{file}"));
        let (alias, uuid) = (text("name")?, text("uuid")?);
        Ok(Self {
            alias: alias.unwrap_or_default(),
            uuid: uuid.unwrap_or_default(),
            name,
        })
    }

    /// Says what takes it off.
    fn remedy(&self) -> String {
        let alias = self.alias.as_str();
        match self.uuid.split('-').next() {
            _ if alias.is_empty() => format!("stop {}", self.name),
            Some("LVM") => command_line(["lvchange", "--activate", "n", &mapped(alias)]),
            Some("CRYPT") => command_line(["cryptsetup", "close", "--", alias]),
            _ => command_line(["dmsetup", "remove", "--", alias]),
        }
    }
}

fn mapped(alias: &str) -> String {
    format!("/dev/mapper/{alias}")
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        match self.alias.as_str() {
            "" => Ok(()),
            alias => write!(f, " ({alias})"),
        }
    }
}

impl Use {
    /// Tells whether this does not end while the system runs.
    pub fn is_essential(&self) -> bool {
        matches!(self, Use::Mounted(place) if ESSENTIAL.contains(&&place[..]))
    }

    /// Says what ends this use of a block device: a command, or `stop md5`.
    pub fn remedy(&self, device: &str) -> String {
        match self {
            Use::Mounted(place) => command_line(["umount", place]),
            Use::Swap => format!("swapoff /dev/{device}"),
            Use::Holder(holder) => holder.remedy(),
        }
    }
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Use::Mounted(place) => write!(f, "mounted on {place}"),
            Use::Swap => write!(f, "swap"),
            Use::Holder(holder) => write!(f, "held by {holder}"),
        }
    }
}

/// Lists the uses of a block device itself, without those of its partitions.
///
/// # Errors
/// Fails if sysfs or procfs cannot be read.
pub fn of(sysroot: &Sysroot, name: &str) -> Result<Vec<Use>> {
    Table::read(sysroot)?.of(name)
}

/// Lists the uses of a block device, of its partitions, and of all that is built on these, each with
/// the name of the device that is used. They end in this order: what is built on another comes first.
///
/// # Errors
/// Fails if sysfs or procfs cannot be read.
pub fn above(sysroot: &Sysroot, name: &str) -> Result<Vec<(String, Use)>> {
    let mut above = Vec::new();
    Table::read(sysroot)?.climb(name, &mut BTreeSet::new(), &mut above)?;
    Ok(above)
}

/// What is mounted, and what is swap: read once, because there may be thousands of both.
struct Table<'a> {
    sysroot: &'a Sysroot,
    mounts: Vec<Mount>,
    /// The kernel's names of the devices that are swap.
    swaps: BTreeSet<String>,
}

impl<'a> Table<'a> {
    fn read(sysroot: &'a Sysroot) -> Result<Self> {
        let swaps = sysroot.lines_if("proc/swaps")?.unwrap_or_default();
        let partition = |line: &str| {
            let mut words = line.split_whitespace();
            let path = words.next().map(unescape)?;
            words
                .next()
                .is_none_or(|kind| kind != "file")
                .then_some(path)
        };
        let nodes = Nodes::new(sysroot);
        let partitions = swaps.lines().skip(1).filter_map(partition);
        Ok(Self {
            sysroot,
            mounts: mounts(sysroot)?,
            swaps: partitions.filter_map(|path| nodes.name(&path)).collect(),
        })
    }

    fn of(&self, name: &str) -> Result<Vec<Use>> {
        let device = number(self.sysroot, name)?;
        let names = filesystem_devices(self.sysroot, name)?;
        let is_on = |mount: &&Mount| {
            mount.device == device || mount.node.as_ref().is_some_and(|node| names.contains(node))
        };
        let mounts = self.mounts.iter().filter(is_on);
        let places: BTreeSet<String> = mounts.map(|mount| mount.at.clone()).collect();
        // A mount on a folder of another mount has to end before that one.
        let mut uses: Vec<Use> = places.into_iter().rev().map(Use::Mounted).collect();
        if self.swaps.contains(name) {
            uses.push(Use::Swap);
        }
        let holders = self
            .sysroot
            .names(format!("sys/class/block/{name}/holders"))?;
        for holder in holders {
            uses.push(Use::Holder(Holder::read(self.sysroot, holder)?));
        }
        Ok(uses)
    }

    fn climb(
        &self,
        name: &str,
        seen: &mut BTreeSet<String>,
        above: &mut Vec<(String, Use)>,
    ) -> Result<()> {
        for device in family(self.sysroot, name)? {
            // One device may hold several others. The tree of another machine may even have a circle.
            if !seen.insert(device.clone()) {
                continue;
            }
            for used in self.of(&device)? {
                if let Use::Holder(holder) = &used
                    && self
                        .sysroot
                        .has(format!("sys/class/block/{}/dev", holder.name))
                {
                    self.climb(&holder.name, seen, above)?;
                }
                above.push((device.clone(), used));
            }
        }
        Ok(())
    }
}

/// Returns the names of a block device and its partitions.
///
/// # Errors
/// Fails if sysfs cannot be read.
pub fn family(sysroot: &Sysroot, name: &str) -> Result<Vec<String>> {
    let folder = format!("sys/class/block/{name}");
    let is_partition = |name: &String| sysroot.has(format!("{folder}/{name}/partition"));
    let partitions = sysroot.names(&folder)?.into_iter().filter(is_partition);
    Ok(std::iter::once(name.into()).chain(partitions).collect())
}

/// Returns the names of all devices of the filesystem that this one belongs to. A mount of btrfs
/// names one of them only.
fn filesystem_devices(sysroot: &Sysroot, name: &str) -> Result<Vec<String>> {
    for filesystem in sysroot.names("sys/fs/btrfs")? {
        let devices = sysroot.names(format!("sys/fs/btrfs/{filesystem}/devices"))?;
        if devices.iter().any(|device| device == name) {
            return Ok(devices);
        }
    }
    Ok(vec![name.into()])
}

/// Returns the major and minor number of a block device.
///
/// # Errors
/// Fails if there is no such device.
pub fn number(sysroot: &Sysroot, name: &str) -> Result<(u64, u64)> {
    let path = format!("sys/class/block/{name}/dev");
    let text = sysroot.read(&path)?;
    device_number(&text)
        .ok_or_else(|| garbage(&sysroot.path(&path), &text, &"expected MAJOR:MINOR"))
}

fn device_number(text: &str) -> Option<(u64, u64)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// A mounted filesystem.
#[derive(Clone, Debug)]
pub struct Mount {
    /// The major and minor number.
    pub device: (u64, u64),
    /// The folder that it is mounted on.
    pub at: String,
    /// What was mounted: in most cases a node.
    pub source: String,
    /// The kernel's name of the device, if it was a node.
    node: Option<String>,
}

/// Lists the mounted filesystems.
///
/// # Errors
/// Fails if procfs cannot be read.
pub fn mounts(sysroot: &Sysroot) -> Result<Vec<Mount>> {
    let text = sysroot.lines_if(MOUNTS)?.unwrap_or_default();
    let nodes = Nodes::new(sysroot);
    let parse = |line| Mount::parse(line, &nodes);
    Ok(text.lines().filter_map(parse).collect())
}

impl Mount {
    /// Parses a line of mountinfo (proc_pid_mountinfo(5)).
    fn parse(line: &str, nodes: &Nodes) -> Option<Self> {
        let (place, filesystem) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(2);
        let device = device_number(place.next()?)?;
        let at = unescape(place.nth(1)?);
        let source = unescape(filesystem.split(' ').nth(1)?);
        Some(Self {
            device,
            at,
            node: nodes.name(&source),
            source,
        })
    }

    /// Tells whether the filesystem is on the block device. Some filesystems, such as btrfs, have a
    /// number of their own, and name the device.
    pub fn is_on(&self, name: &str, device: (u64, u64)) -> bool {
        self.device == device || self.node.as_deref() == Some(name)
    }
}

/// Finds the kernel's names of nodes.
struct Nodes<'a> {
    sysroot: &'a Sysroot,
    /// The kernel's name of what device mapper calls so.
    mapped: BTreeMap<String, String>,
}

impl<'a> Nodes<'a> {
    fn new(sysroot: &'a Sysroot) -> Self {
        let names = sysroot.names("sys/class/block").unwrap_or_default();
        let names = names.into_iter().filter(|it| it.starts_with("dm-"));
        let alias = |name: String| {
            let alias = sysroot.read_if(format!("sys/class/block/{name}/dm/name"));
            Some((alias.ok().flatten()?, name))
        };
        Self {
            sysroot,
            mapped: names.filter_map(alias).collect(),
        }
    }

    /// Returns the kernel's name of the device at a path in `/dev`; `None` for what is no such path,
    /// such as a folder of another machine (NFS).
    fn name(&self, path: &str) -> Option<String> {
        let inside = path.strip_prefix("/dev/")?;
        let alias = inside.strip_prefix("mapper/");
        if let Some(name) = alias.and_then(|alias| self.mapped.get(alias)) {
            return Some(name.clone());
        }
        let real = self.sysroot.device(path.trim_start_matches('/'));
        let real = real.unwrap_or_else(|| path.into());
        Some(real.file_name()?.to_string_lossy().into_owned())
    }
}

/// Decodes spaces and the like, which are `\040` in mountinfo, swaps and utab.
pub fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after
            .get(..3)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match escaped.filter(|_| byte == b'\\') {
            Some(escaped) => {
                bytes.push(escaped);
                rest = &after[3..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    shown(&String::from_utf8_lossy(&bytes)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::put;

    fn machine(mounts: &str, swaps: &str) -> (tempfile::TempDir, Sysroot) {
        let root = tempfile::tempdir().expect("a folder");
        let at = root.path();
        put(at, "sys/class/block/md0/dev", "9:0\n");
        put(at, "proc/self/mountinfo", mounts);
        put(at, "proc/swaps", &format!("Filename Type\n{swaps}"));
        let sysroot = Sysroot::at(at).expect("a machine");
        (root, sysroot)
    }

    #[test]
    fn only_what_is_in_dev_is_a_device() {
        // A folder of another machine, an overlay, and a swap file, all of that name.
        let mounts = "36 1 0:50 / /mnt rw - nfs nas:/export/md0 rw\n\
                      37 1 0:51 / /over rw - overlay md0 rw\n";
        let (_root, sysroot) = machine(mounts, "/data/md0 file 1 0 -2\n/dev/md0 file 1 0 -2\n");
        assert_eq!(of(&sysroot, "md0").expect("uses"), []);
        let (_root, sysroot) = machine("", "/dev/md0 partition 1 0 -2\n");
        assert_eq!(of(&sysroot, "md0").expect("uses"), [Use::Swap]);
    }

    #[test]
    fn a_mount_ends_before_the_one_that_it_is_on() {
        let mounts = "36 1 9:0 / /data rw - ext4 /dev/md0 rw\n\
                      37 1 9:0 / /data/bind rw - ext4 /dev/md0 rw\n";
        let (_root, sysroot) = machine(mounts, "");
        let places = ["/data/bind", "/data"].map(|at| Use::Mounted(at.into()));
        assert_eq!(of(&sysroot, "md0").expect("uses"), places);
    }

    /// A container may have no links in /dev/mapper.
    #[test]
    fn what_device_mapper_calls_so_is_found_without_its_link() {
        let mounts = "36 1 0:50 / / rw - btrfs /dev/mapper/vg-root rw\n";
        let (root, sysroot) = machine(mounts, "");
        put(root.path(), "sys/class/block/dm-0/dev", "254:0\n");
        put(root.path(), "sys/class/block/dm-0/dm/name", "vg-root\n");
        let uses = of(&sysroot, "dm-0").expect("uses");
        assert_eq!(uses, [Use::Mounted("/".into())]);
        assert!(uses[0].is_essential());
    }
}
