// SPDX-License-Identifier: GPL-2.0
//! A block device that is to become a member: what it is, who uses it, what it holds.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use nix::libc;
use nix::sys::stat::{major, minor};

use crate::array::{self, Array};
use crate::bdf::Bdf;
use crate::host::Host;
use crate::pci;
use crate::uses::{self, Use};

/// A block device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// As in `/sys/class/block`: `nvme0n1`.
    pub name: String,
    /// Its node without links on the way: who changes these meanwhile changes nothing.
    pub node: PathBuf,
    /// Major and minor number: `259:0`.
    pub number: String,
    /// The disk that it is a partition of.
    pub disk: Option<String>,
    /// Its own partitions.
    pub partitions: Vec<String>,
    /// Bytes.
    pub bytes: u64,
    /// What the drive calls itself, or nothing.
    pub model: String,
    /// The PCI devices that it is reached through; none if it is no PCI device by itself.
    pub controllers: Vec<Bdf>,
    /// Whether nothing can be written to it.
    pub read_only: bool,
    /// Whether its blocks have protection information (T10 PI) or other metadata.
    pub has_integrity: bool,
}

impl Device {
    /// The device at a path. Of another machine ([`Host::is_here`]) only the names of the
    /// kernel are known, so the last component has to be one.
    ///
    /// # Errors
    /// If it is not there or is something else.
    pub fn find(host: &Host, path: &Path) -> Result<Self> {
        let (name, node) = match host.is_here() {
            true => here(host, path)?,
            false => elsewhere(host, path)?,
        };
        let folder = format!("sys/class/block/{name}");
        let is_partition = |name: &str| host.has(format!("sys/class/block/{name}/partition"));
        let disk = match is_partition(&name) {
            true => host.device(&folder).as_deref().and_then(folder_above),
            false => None,
        };
        let of_disk = format!("sys/class/block/{}", disk.as_ref().unwrap_or(&name));
        let mut partitions = host.names(&folder)?;
        partitions.retain(|entry| is_partition(entry));
        let text = |path: String| anyhow::Ok(host.read_if(path)?.unwrap_or_default());
        Ok(Self {
            number: host.read(format!("{folder}/dev"))?,
            partitions,
            bytes: host
                .value::<u64>(format!("{folder}/size"))?
                .saturating_mul(512),
            model: text(format!("{of_disk}/device/model"))?,
            controllers: pci::controllers(host, &name)?,
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

    /// Itself, its partitions, and the disk that it is a partition of: if one of them is in
    /// use, it is.
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

/// Name and node of a device of this machine.
fn here(host: &Host, path: &Path) -> Result<(String, PathBuf)> {
    let shown = path.display();
    let status = match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("{shown}: there is no such device; `lsblk` lists those that there are")
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
        bail!("{shown}: a block device is wanted, such as /dev/nvme0n1, and this is {is}");
    }
    let number = format!("{}:{}", major(status.rdev()), minor(status.rdev()));
    let name = host
        .link(format!("sys/dev/block/{number}"))
        .ok_or_else(|| anyhow!("{shown}: the kernel has no block device {number}"))?;
    let node = fs::canonicalize(path).with_context(|| shown.to_string())?;
    Ok((name, node))
}

/// The same of another machine, whose nodes are not at hand.
fn elsewhere(host: &Host, path: &Path) -> Result<(String, PathBuf)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.is_empty() || !host.has(format!("sys/class/block/{name}")) {
        bail!(
            "{}: there is no such device in {}",
            path.display(),
            host.path("sys/class/block").display()
        );
    }
    Ok((name.to_string(), format!("/dev/{name}").into()))
}

/// Who uses a device, one sentence each without its full stop; nobody if there is none.
///
/// # Errors
/// If the machine's files cannot be read or understood.
pub fn users(host: &Host, device: &Device) -> Result<Vec<String>> {
    let arrays = array::all(host)?;
    let mut users = Vec::new();
    for name in device.family() {
        let members = |array: &&Array| array.members.iter().any(|member| member.name == name);
        let of_arrays: Vec<&Array> = arrays.iter().filter(members).collect();
        users.extend(
            of_arrays
                .iter()
                .map(|array| format!("{name} is a member of the array {}", array.name)),
        );
        for used in uses::of(host, name)? {
            match used {
                Use::Swap => users.push(format!("{name} is swap: `swapoff /dev/{name}`")),
                Use::Holder(holder) => {
                    if !of_arrays.iter().any(|array| array.name == holder) {
                        let alias = host.read_if(format!("sys/class/block/{holder}/dm/name"))?;
                        let alias = alias.map_or(String::new(), |alias| format!(" ({alias})"));
                        users.push(format!("{name} is held by {holder}{alias}"));
                    }
                }
                Use::Mounted(_) => users.push(format!("{name} is {used}")),
            }
        }
    }
    Ok(users)
}

/// What an attempt to have a device for oneself said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nobody else has it, and it can be read.
    Free,
    /// Somebody has.
    Busy,
    /// It is not told to us: why.
    Unknown(String),
}

/// Opens it the way a filesystem or md does (`O_EXCL`), reads a block, and lets it go.
///
/// # Errors
/// If it cannot be opened or read at all.
pub fn claim(node: &Path) -> Result<Claim> {
    let open = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_EXCL | libc::O_NONBLOCK)
        .open(node);
    let mut file: File = match open {
        Ok(file) => file,
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => return Ok(Claim::Busy),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return Ok(Claim::Unknown("only root can open it".into()));
        }
        Err(error) => return Err(error).with_context(|| node.display().to_string()),
    };
    file.read_exact(&mut [0; 4096])
        .with_context(|| format!("{}: reading its first block", node.display()))?;
    Ok(Claim::Free)
}

/// What is on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// Nothing that anybody knows.
    Nothing,
    /// A filesystem, a partition table or the like.
    Something(String),
    /// It could not be found out: why.
    Unknown(String),
}

/// What `blkid`, the program at that path, finds on a device.
pub fn contents(blkid: Option<&Path>, node: &Path) -> Contents {
    let Some(blkid) = blkid else {
        return Contents::Unknown("blkid is not found; install util-linux".into());
    };
    let output = Command::new(blkid)
        .args(["--probe", "--output", "export"])
        .arg(node)
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) => found(
            output.status.code(),
            &String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr).trim(),
        ),
        Err(error) => Contents::Unknown(format!("{}: {error}", blkid.display())),
    }
}

/// What blkid's exit status and output mean (blkid(8)).
fn found(status: Option<i32>, output: &str, complaint: &str) -> Contents {
    match status {
        Some(0) => named(output),
        // Also what it says of a device that it cannot open. Mostly it complains then, and
        // `look` has opened it before.
        Some(2) if complaint.is_empty() => Contents::Nothing,
        Some(8) => Contents::Something("signatures of more than one kind".into()),
        Some(status) => Contents::Unknown(format!("blkid ended with status {status}; {complaint}")),
        None => Contents::Unknown("blkid was killed".into()),
    }
}

/// What `KEY=VALUE` lines name.
fn named(output: &str) -> Contents {
    let values: Vec<(&str, &str)> = output
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect();
    let value = |key: &str| {
        let found = values.iter().find(|(name, _)| *name == key);
        found.map(|(_, value)| *value)
    };
    let mut parts = Vec::new();
    if let Some(kind) = value("TYPE") {
        let label = value("LABEL").map_or(String::new(), |label| format!(" {label}"));
        parts.push(format!("{kind}{label}"));
    }
    if let Some(table) = value("PTTYPE") {
        parts.push(format!("{table} partition table"));
    }
    // Of a partition its entry in the table is told: that is not on it.
    let other = |key: &str| key != "DEVNAME" && !key.starts_with("PART_ENTRY_");
    match values.iter().find(|(key, _)| other(key)) {
        _ if !parts.is_empty() => Contents::Something(parts.join(", ")),
        Some((key, value)) => Contents::Something(format!("{key}={value}")),
        None => Contents::Nothing,
    }
}

/// What was found out about a device before it is taken.
#[derive(Clone, Debug)]
pub struct Findings {
    /// Who uses it, as [`users`] tells.
    pub users: Vec<String>,
    /// What is on it.
    pub contents: Contents,
}

/// Looks at a device: who uses it, and what is on it.
///
/// # Errors
/// If it cannot be read, or the machine's files cannot.
pub fn look(host: &Host, device: &Device, blkid: Option<&Path>) -> Result<Findings> {
    let mut users = users(host, device)?;
    if !host.is_here() {
        let contents = Contents::Unknown("it is on another machine".into());
        return Ok(Findings { users, contents });
    }
    let contents = match claim(&device.node)? {
        Claim::Free => contents(blkid, &device.node),
        Claim::Unknown(why) => Contents::Unknown(why),
        Claim::Busy => {
            if users.is_empty() {
                users.push(format!(
                    "{} is held by somebody whom sysfs does not name: `fuser -v {}`",
                    device.name,
                    device.node.display()
                ));
            }
            // Whatever is on it: it is not to be had.
            contents(blkid, &device.node)
        }
    };
    Ok(Findings { users, contents })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::put;
    use std::os::unix::fs::symlink;

    /// A drive with one partition, and one without.
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
            symlink(root.path().join(place), link).expect("a link");
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

    fn find(root: &Path, name: &str) -> (Host, Device) {
        let host = Host::at(root).expect("a host");
        let device = Device::find(&host, Path::new(name)).expect(name);
        (host, device)
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
            let (host, device) = find(root.path(), name);
            let users = users(&host, &device).expect("users");
            assert_eq!(users, ["nvme0n1p1 is mounted on /a place"], "{name}");
        }
        let (host, device) = find(root.path(), "nvme0n2");
        assert!(users(&host, &device).expect("users").is_empty());
    }

    #[test]
    fn a_partition_is_in_use_if_its_disk_is() {
        let root = machine();
        put(root.path(), "sys/class/block/nvme0n1/holders/dm-3", "");
        let (host, partition) = find(root.path(), "nvme0n1p1");
        let users = users(&host, &partition).expect("users");
        assert_eq!(users, ["nvme0n1 is held by dm-3"]);
    }

    #[test]
    fn a_filesystem_with_a_number_of_its_own_is_known_by_its_node() {
        let root = machine();
        let mounts = "30 1 0:40 / /data rw shared:3 - btrfs /dev/nvme0n2 rw\n";
        put(root.path(), "proc/self/mountinfo", mounts);
        let (host, device) = find(root.path(), "nvme0n2");
        let users = users(&host, &device).expect("users");
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
        let (host, device) = find(at, "nvme0n1");
        assert_eq!(
            users(&host, &device).expect("users"),
            [
                "nvme0n1 is held by dm-0 (vg-data)",
                "nvme0n1p1 is swap: `swapoff /dev/nvme0n1p1`"
            ]
        );
        let (host, device) = find(at, "nvme0n2");
        assert_eq!(
            users(&host, &device).expect("users"),
            ["nvme0n2 is a member of the array md5"]
        );
    }

    #[test]
    fn what_is_no_block_device_is_refused_by_what_it_is() {
        let host = Host::at(Path::new("/")).expect("this machine");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "").expect("a file");
        for (path, what) in [
            (folder.path(), "this is a folder"),
            (&file, "this is a file"),
            (Path::new("/dev/null"), "this is a character device"),
            (&folder.path().join("none"), "there is no such device"),
        ] {
            let error = Device::find(&host, path).expect_err("no block device");
            let error = error.to_string();
            assert!(error.contains(what), "{error}");
            assert!(error.starts_with(&path.display().to_string()), "{error}");
        }
    }

    #[test]
    fn the_answers_of_blkid_are_understood() {
        let something = |text: &str| Contents::Something(text.into());
        let ext4 = "DEVNAME=/dev/x\nLABEL=my data\nBLOCK_SIZE=4096\nTYPE=ext4\nUSAGE=filesystem\n";
        assert_eq!(found(Some(0), ext4, ""), something("ext4 my data"));
        let gpt = "DEVNAME=/dev/x\nPTUUID=1\nPTTYPE=gpt\n";
        assert_eq!(found(Some(0), gpt, ""), something("gpt partition table"));
        let entry = "DEVNAME=/dev/x\nPART_ENTRY_SCHEME=gpt\nPART_ENTRY_NUMBER=1\n";
        assert_eq!(found(Some(0), entry, ""), Contents::Nothing);
        assert_eq!(found(Some(0), "NEW=1\n", ""), something("NEW=1"));
        assert_eq!(found(Some(2), "", ""), Contents::Nothing);
        assert!(matches!(found(Some(8), "", ""), Contents::Something(_)));
        for (status, complaint) in [
            (Some(2), "blkid: error: /dev/x: Permission denied"),
            (Some(4), ""),
            (None, ""),
        ] {
            assert!(matches!(found(status, "", complaint), Contents::Unknown(_)));
        }
        assert!(matches!(
            contents(None, Path::new("/dev/x")),
            Contents::Unknown(why) if why.contains("util-linux")
        ));
    }

    #[test]
    fn blkid_itself_finds_what_is_there() {
        let Some(blkid) = crate::command::program("blkid") else {
            eprintln!("skipped: no blkid");
            return;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let image = folder.path().join("image");
        let mut bytes = vec![0; 4 << 20];
        fs::write(&image, &bytes).expect("an image");
        assert_eq!(contents(Some(&blkid), &image), Contents::Nothing);
        assert_eq!(claim(&image).expect("a claim"), Claim::Free);
        // The superblock of an MD array, version 1.2: a magic number, 1, and the rest zeros.
        bytes[4096..4100].copy_from_slice(&0xa92b_4efc_u32.to_le_bytes());
        bytes[4100..4104].copy_from_slice(&1_u32.to_le_bytes());
        bytes[4096 + 144..4096 + 152].copy_from_slice(&8_u64.to_le_bytes());
        fs::write(&image, &bytes).expect("an image");
        assert_eq!(
            contents(Some(&blkid), &image),
            Contents::Something("linux_raid_member".into())
        );
        // blkid finds nothing on what is not there, without a word; so it is opened first.
        let gone = folder.path().join("gone");
        assert!(claim(&gone).is_err());
    }
}
