// SPDX-License-Identifier: GPL-2.0
//! Finds a block device, and learns who uses it and what it holds.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::stat::{major, minor};

use super::contents::{self, Claim, Contents};
use super::users::{self, Use};
use crate::md::array::{self, Array};
use crate::pci::bdf::Bdf;
use crate::pci::controllers;
use crate::sysroot::Sysroot;

/// A block device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockDevice {
    /// Its name in `/sys/class/block`: `nvme0n1`.
    pub name: String,
    /// Its node, without symbolic links: changing a link then has no effect.
    pub node: PathBuf,
    /// Major and minor number: `259:0`.
    pub number: String,
    /// The disk that it is a partition of.
    pub disk: Option<String>,
    /// The partitions of this disk.
    pub partitions: Vec<String>,
    /// Its size in bytes.
    pub bytes: u64,
    /// The model of the drive; empty if unknown.
    pub model: String,
    /// The PCI devices through which it is reached; empty if it is not a PCI device itself.
    pub controllers: Vec<Bdf>,
    /// Whether it cannot be written.
    pub read_only: bool,
    /// Whether its blocks have protection information (T10 PI) or other metadata.
    pub has_integrity: bool,
}

impl BlockDevice {
    /// Finds the device at a path. On another machine ([`Sysroot::is_here`]) only the kernel's
    /// names are known, so the last component must be such a name.
    ///
    /// # Errors
    /// Fails if there is no such device, or if it is not a block device.
    pub fn find(sysroot: &Sysroot, path: &Path) -> Result<Self> {
        let (name, node) = match sysroot.is_here() {
            true => find_here(sysroot, path)?,
            false => find_elsewhere(sysroot, path)?,
        };
        let folder = format!("sys/class/block/{name}");
        let is_partition = |name: &str| sysroot.has(format!("sys/class/block/{name}/partition"));
        let disk = match is_partition(&name) {
            true => sysroot.device(&folder).as_deref().and_then(folder_above),
            false => None,
        };
        let of_disk = format!("sys/class/block/{}", disk.as_ref().unwrap_or(&name));
        let mut partitions = sysroot.names(&folder)?;
        partitions.retain(|entry| is_partition(entry));
        let text = |path: String| anyhow::Ok(sysroot.read_if(path)?.unwrap_or_default());
        Ok(Self {
            number: sysroot.read(format!("{folder}/dev"))?,
            partitions,
            bytes: sysroot
                .value::<u64>(format!("{folder}/size"))?
                .saturating_mul(512),
            model: text(format!("{of_disk}/device/model"))?,
            controllers: controllers::of(sysroot, &name)?,
            read_only: text(format!("{folder}/ro"))? == "1",
            has_integrity: !matches!(
                text(format!("{of_disk}/integrity/format"))?.as_str(),
                "" | "none"
            ),
            disk,
            name,
            node,
        })
    }

    /// Lists the device, its partitions, and the disk that it is a partition of. The device is in
    /// use if one of these is.
    fn family(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.name)
            .chain(&self.partitions)
            .chain(&self.disk)
            .map(String::as_str)
    }
}

fn folder_above(path: &Path) -> Option<String> {
    let name = path.parent()?.file_name()?;
    Some(name.to_string_lossy().into_owned())
}

/// Returns the name and the node of a device of this machine.
fn find_here(sysroot: &Sysroot, path: &Path) -> Result<(String, PathBuf)> {
    let shown = path.display();
    let status = match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("{shown}: there is no such device; `lsblk` lists the block devices")
        }
        status => status.with_context(|| shown.to_string())?,
    };
    let kind = status.file_type();
    if !kind.is_block_device() {
        let is = match kind {
            _ if kind.is_dir() => "a folder",
            _ if kind.is_file() => "a file",
            _ if kind.is_char_device() => "a character device",
            _ => "something else",
        };
        bail!("{shown}: expected a block device such as /dev/nvme0n1, but this is {is}");
    }
    let number = format!("{}:{}", major(status.rdev()), minor(status.rdev()));
    let name = sysroot
        .link(format!("sys/dev/block/{number}"))
        .ok_or_else(|| anyhow!("{shown}: the kernel has no block device {number}"))?;
    let node = fs::canonicalize(path).with_context(|| shown.to_string())?;
    Ok((name, node))
}

/// Returns the name and the node of a device of another machine, whose nodes cannot be read.
fn find_elsewhere(sysroot: &Sysroot, path: &Path) -> Result<(String, PathBuf)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.is_empty() || !sysroot.has(format!("sys/class/block/{name}")) {
        bail!(
            "{}: there is no such device in {}",
            path.display(),
            sysroot.path("sys/class/block").display()
        );
    }
    Ok((name.to_string(), format!("/dev/{name}").into()))
}

/// Lists the users of a device, one sentence each without its full stop; empty if nobody uses it.
///
/// # Errors
/// Fails if a file of the machine cannot be read or understood.
pub fn users(sysroot: &Sysroot, device: &BlockDevice) -> Result<Vec<String>> {
    let arrays = array::all(sysroot)?;
    let mut users = Vec::new();
    for name in device.family() {
        let members = |array: &&Array| array.members.iter().any(|member| member.name == name);
        let of_arrays: Vec<&Array> = arrays.iter().filter(members).collect();
        users.extend(
            of_arrays
                .iter()
                .map(|array| format!("{name} is a member of the array {}", array.name)),
        );
        for used in users::of(sysroot, name)? {
            match used {
                Use::Holder(holder) if of_arrays.iter().any(|it| it.name == holder.name) => {}
                Use::Swap => users.push(format!("{name} is swap: `{}`", used.remedy(name))),
                Use::Holder(_) | Use::Mounted(_) => users.push(format!("{name} is {used}")),
            }
        }
    }
    Ok(users)
}

/// What an inspection of a device has found.
#[derive(Clone, Debug)]
pub struct Findings {
    /// The users of the device, as [`users()`] lists them.
    pub users: Vec<String>,
    /// What the device holds.
    pub contents: Contents,
}

/// Inspects a device: who uses it, and what it holds.
///
/// # Errors
/// Fails if the device or a file of the machine cannot be read.
pub fn inspect(sysroot: &Sysroot, device: &BlockDevice, blkid: Option<&Path>) -> Result<Findings> {
    let mut users = users(sysroot, device)?;
    if !sysroot.is_here() {
        let contents = Contents::Unknown("it is on another machine".into());
        return Ok(Findings { users, contents });
    }
    let contents = match contents::claim(&device.node)? {
        Claim::Free => contents::read(blkid, &device.node),
        Claim::Unknown(why) => Contents::Unknown(why),
        Claim::Busy => {
            if users.is_empty() {
                users.push(format!(
                    "{} is in use, but sysfs does not say by what: `fuser -v {}`",
                    device.name,
                    device.node.display()
                ));
            }
            // The device cannot be taken, whatever it holds.
            contents::read(blkid, &device.node)
        }
    };
    Ok(Findings { users, contents })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::put;
    use std::os::unix::fs::symlink;

    /// Makes a drive with one partition, and one without.
    fn machine() -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        let folder = "sys/devices/pci0000:00/0000:00:01.0/0000:03:00.0/nvme/nvme0";
        for (name, number, place) in [
            ("nvme0n1", "259:0", "nvme0n1"),
            ("nvme0n1p1", "259:1", "nvme0n1/nvme0n1p1"),
            ("nvme0n2", "259:2", "nvme0n2"),
        ] {
            let place = format!("{folder}/{place}");
            put(root.path(), &format!("{place}/dev"), number);
            put(root.path(), &format!("{place}/size"), "131072");
            let link = root.path().join("sys/class/block").join(name);
            fs::create_dir_all(link.parent().expect("a folder")).expect("its folder");
            symlink(Path::new("../../..").join(place), link).expect("a link");
        }
        put(
            root.path(),
            &format!("{folder}/nvme0n1/nvme0n1p1/partition"),
            "1",
        );
        put(
            root.path(),
            &format!("{folder}/nvme0n1/device/model"),
            "A drive  \n",
        );
        root
    }

    fn find(root: &Path, name: &str) -> (Sysroot, BlockDevice) {
        let sysroot = Sysroot::at(root).expect("a host");
        let device = BlockDevice::find(&sysroot, Path::new(name)).expect(name);
        (sysroot, device)
    }

    #[test]
    fn a_disk_and_its_partition_know_each_other() {
        let root = machine();
        let (_, disk) = find(root.path(), "/dev/nvme0n1");
        assert_eq!(disk.partitions, ["nvme0n1p1"]);
        assert_eq!((disk.disk, disk.bytes), (None, 64 << 20));
        let (_, partition) = find(root.path(), "/dev/nvme0n1p1");
        assert_eq!(partition.disk.as_deref(), Some("nvme0n1"));
        assert_eq!(partition.model, "A drive");
        assert_eq!(
            partition.controllers,
            ["0000:03:00.0".parse().expect("an address")]
        );
        assert!(!partition.has_integrity && !partition.read_only);
    }

    #[test]
    fn a_disk_is_in_use_if_its_partition_is() {
        let root = machine();
        let mounts = "30 1 259:1 / /a\\040place rw - ext4 /dev/root rw\n";
        put(root.path(), "proc/self/mountinfo", mounts);
        for name in ["nvme0n1", "nvme0n1p1"] {
            let (sysroot, device) = find(root.path(), name);
            let users = users(&sysroot, &device).expect("users");
            assert_eq!(users, ["nvme0n1p1 is mounted on /a place"], "{name}");
        }
        let (sysroot, device) = find(root.path(), "nvme0n2");
        assert!(users(&sysroot, &device).expect("users").is_empty());
    }

    #[test]
    fn a_partition_is_in_use_if_its_disk_is() {
        let root = machine();
        put(root.path(), "sys/class/block/nvme0n1/holders/dm-3", "");
        let (sysroot, partition) = find(root.path(), "nvme0n1p1");
        let users = users(&sysroot, &partition).expect("users");
        assert_eq!(users, ["nvme0n1 is held by dm-3"]);
    }

    #[test]
    fn a_filesystem_with_a_number_of_its_own_is_known_by_its_node() {
        let root = machine();
        let mounts = "30 1 0:40 / /data rw shared:3 - btrfs /dev/nvme0n2 rw\n";
        put(root.path(), "proc/self/mountinfo", mounts);
        let (sysroot, device) = find(root.path(), "nvme0n2");
        let users = users(&sysroot, &device).expect("users");
        assert_eq!(users, ["nvme0n2 is mounted on /data"]);
    }

    #[test]
    fn swap_holders_and_arrays_are_users() {
        let root = machine();
        let at = root.path();
        put(
            at,
            "proc/swaps",
            "Filename Type Size Used Priority\n/dev/nvme0n1p1 partition 1 0 -2\n",
        );
        put(at, "sys/class/block/nvme0n1/holders/dm-0", "");
        put(at, "sys/class/block/dm-0/dm/name", "vg-data\n");
        put(at, "sys/class/block/nvme0n2/holders/md5", "");
        put(at, "sys/block/md5/md/level", "raid1\n");
        put(at, "sys/block/md5/md/dev-nvme0n2/state", "in_sync\n");
        let (sysroot, device) = find(at, "nvme0n1");
        assert_eq!(
            users(&sysroot, &device).expect("users"),
            [
                "nvme0n1 is held by dm-0 (vg-data)",
                "nvme0n1p1 is swap: `swapoff /dev/nvme0n1p1`"
            ]
        );
        let (sysroot, device) = find(at, "nvme0n2");
        assert_eq!(
            users(&sysroot, &device).expect("users"),
            ["nvme0n2 is a member of the array md5"]
        );
    }

    #[test]
    fn what_is_no_block_device_is_refused_by_what_it_is() {
        let sysroot = Sysroot::at(Path::new("/")).expect("this machine");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "").expect("a file");
        for (path, what) in [
            (folder.path(), "this is a folder"),
            (&file, "this is a file"),
            (Path::new("/dev/null"), "this is a character device"),
            (&folder.path().join("none"), "there is no such device"),
        ] {
            let error = BlockDevice::find(&sysroot, path).expect_err("no block device");
            let error = error.to_string();
            assert!(error.contains(what), "{error}");
            assert!(error.starts_with(&path.display().to_string()), "{error}");
        }
    }
}
