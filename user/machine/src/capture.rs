// SPDX-License-Identifier: GPL-2.0
//! What is taken of a machine, so that another can show it: the files that this crate and the
//! commands read, without what identifies people, places and single drives.
//!
//! A reader of a new file adds its path to [`TAKEN`].

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::block::users::ESSENTIAL;
use crate::kernel::release;
use crate::md::uuid::Uuid;
use crate::pci::config;
use crate::sysroot::{Sysroot, bounded};
use crate::text;

/// Something that is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A file and its content.
    File(Vec<u8>),
    /// A link and its target.
    Link(PathBuf),
    /// A folder, which may be empty.
    Folder,
}

/// How much of a file is taken.
#[derive(Clone, Copy)]
enum How {
    /// All of it.
    Whole,
    /// Only that it is there.
    Name,
    /// Another text in the place of a serial number or a name.
    Pseudonym(&'static str),
    /// Config space, without the serial number of the device.
    ConfigSpace,
    /// What is left of its text.
    Part(fn(&mut Pseudonyms, &Sysroot, &str) -> String),
    /// The kernel's options, packed.
    PackedOptions,
    /// Of a module only whether it is signed.
    Module,
}

use How::{ConfigSpace, Module, Name, PackedOptions, Part, Pseudonym, Whole};

/// The files. A `*` stands for any name, and `{release}` for the running kernel. Folders and links
/// on the way are taken too, and so are links at the end.
const TAKEN: &[(&str, How)] = &[
    ("sys/bus/pci/devices/*/modalias", Whole),
    ("sys/bus/pci/devices/*/config", ConfigSpace),
    ("sys/bus/pci/devices/*/resource", Whole),
    ("sys/bus/pci/devices/*/numa_node", Whole),
    ("sys/bus/pci/devices/*/driver", Name),
    ("sys/bus/pci/devices/*/iommu_group", Name),
    ("sys/bus/pci/devices/*/p2pmem/*", Whole),
    ("sys/bus/dsa/devices/*/state", Whole),
    ("sys/bus/dsa/devices/*/type", Whole),
    ("sys/bus/dsa/devices/*/driver_name", Whole),
    ("sys/bus/dsa/devices/*/mode", Whole),
    ("sys/bus/dsa/devices/*/size", Whole),
    ("sys/class/dma/*/in_use", Whole),
    ("sys/class/block/*/dev", Whole),
    ("sys/class/block/*/size", Whole),
    ("sys/class/block/*/ro", Whole),
    ("sys/class/block/*/partition", Whole),
    ("sys/class/block/*/device/model", Whole),
    ("sys/class/block/*/integrity/format", Whole),
    ("sys/class/block/*/dm/name", Pseudonym("name")),
    ("sys/class/block/*/dm/uuid", Part(maker)),
    ("sys/class/block/*/holders/*", Name),
    ("sys/class/block/*/slaves/*", Name),
    ("sys/class/nvme/*/cmb", Whole),
    ("sys/class/nvme/*/model", Whole),
    ("sys/class/nvme/*/serial", Pseudonym(SERIAL)),
    ("sys/class/nvme-subsystem/*/nvme*", Name),
    ("sys/class/iommu/*", Name),
    ("sys/class/dmi/id/sys_vendor", Whole),
    ("sys/dev/block/*", Name),
    ("sys/block/*/size", Whole),
    ("sys/block/*/md/*", Whole),
    ("sys/block/*/md/metadata_version", Part(metadata)),
    ("sys/block/*/md/bitmap/location", Part(bitmap)),
    ("sys/block/*/md/bitmap/metadata", Whole),
    (
        "sys/block/*/md/uuid",
        Part(|names, _, text| names.uuid(text)),
    ),
    ("sys/block/*/md/dev-*/*", Whole),
    ("sys/devices/system/cpu/sev", Name),
    ("sys/fs/btrfs/*/devices/*", Name),
    (
        "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
        Whole,
    ),
    ("sys/kernel/iommu_groups/*/type", Whole),
    ("sys/kernel/security/lockdown", Whole),
    ("sys/module/md_p2p/parameters/*", Whole),
    ("sys/module/md_mod/parameters/*", Whole),
    ("sys/module/nvidia_fs/parameters/use_pci_p2pdma", Whole),
    ("sys/module/module/parameters/sig_enforce", Whole),
    ("sys/module/nvme_core/parameters/multipath", Whole),
    ("sys/module/*/refcnt", Whole),
    ("dev/md/*", Name),
    ("dev/sev-guest", Name),
    ("dev/tdx_guest", Name),
    ("proc/cmdline", Part(parameters)),
    ("proc/config.gz", PackedOptions),
    ("proc/cpuinfo", Part(processor)),
    ("proc/mdstat-p2p", Name),
    ("proc/modules", Part(modules)),
    ("proc/self/mountinfo", Part(mounts)),
    ("proc/swaps", Part(swaps)),
    ("proc/sys/kernel/arch", Whole),
    ("proc/sys/kernel/osrelease", Whole),
    ("boot/config-{release}", Part(options)),
    ("lib/modules/*/modules.dep", Part(dependencies)),
    ("lib/modules/{release}/build/.config", Part(options)),
    ("lib/modules/{release}/config", Part(options)),
    ("lib/modules/*/updates/*", Module),
    ("lib/modules/*/updates/*/*", Module),
    ("lib/modules/*/extra/*", Module),
    ("lib/modules/*/extra/*/*", Module),
    ("lib/modules/*/weak-updates/*", Module),
    ("lib/modules/*/weak-updates/*/*", Module),
    ("usr/lib/modules/*/modules.dep", Part(dependencies)),
    ("usr/lib/modules/{release}/build/.config", Part(options)),
    ("usr/lib/modules/*/updates/*", Module),
    ("usr/lib/modules/*/updates/*/*", Module),
    ("usr/sbin/mdadm", Name),
    ("usr/bin/mdadm", Name),
    ("sbin/mdadm", Name),
    ("bin/mdadm", Name),
    ("usr/local/sbin/mdadm", Name),
    ("usr/local/bin/mdadm", Name),
    ("usr/share/misc/pci.ids", Whole),
    ("usr/share/hwdata/pci.ids", Whole),
    ("usr/lib/udev/rules.d/63-md-raid-p2p.rules", Name),
    ("lib/udev/rules.d/63-md-raid-p2p.rules", Name),
    ("etc/udev/rules.d/63-md-raid-p2p.rules", Name),
    ("etc/md-p2p/enrolled/*", Part(enrolled)),
    ("var/cache/md-p2p/{release}/refused", Part(refusal)),
];

/// The folders of a root whose names are the same everywhere. Elsewhere people name folders.
const COMMON: [&str; 12] = [
    "bin",
    "boot",
    "dev",
    "etc",
    "lib",
    "lib32",
    "lib64",
    "proc",
    "sbin",
    "sys",
    "usr",
    "var/cache",
];

/// The folders below these in which people name folders, too.
const PEOPLES: [&str; 3] = ["usr/home", "usr/local/src", "usr/local/share"];

const SERIAL: &str = "serial";

/// Where a folder is named by the UUID of a filesystem.
const BTRFS: &str = "sys/fs/btrfs";

/// Takes what [`TAKEN`] names. Paths are below the root. Serial numbers are replaced unless `serials`
/// is true.
///
/// # Errors
/// Fails if a file cannot be read and the machine is not [tolerant](Sysroot::tolerant).
pub fn take(sysroot: &Sysroot, serials: bool) -> Result<BTreeMap<PathBuf, Entry>> {
    let blocks = sysroot.tolerate(sysroot.names("sys/class/block"))?;
    let blocks = blocks
        .into_iter()
        .chain(sysroot.tolerate(sysroot.names("sys/block"))?);
    let blocks = blocks.flatten();
    let mut capture = Capture {
        sysroot,
        serials,
        release: release::running(sysroot).unwrap_or_default(),
        names: Pseudonyms {
            named: blocks.filter(|it| it.starts_with("md_")).collect(),
            ..Pseudonyms::default()
        },
        taken: BTreeMap::new(),
    };
    for (pattern, how) in TAKEN {
        let parts: Vec<&str> = pattern.split('/').collect();
        capture.walk(Path::new(""), &parts, *how)?;
    }
    Ok(capture.taken)
}

struct Capture<'a> {
    sysroot: &'a Sysroot,
    serials: bool,
    release: String,
    names: Pseudonyms,
    taken: BTreeMap<PathBuf, Entry>,
}

impl Capture<'_> {
    fn walk(&mut self, folder: &Path, parts: &[&str], how: How) -> Result<()> {
        let [part, rest @ ..] = parts else {
            return Ok(());
        };
        let names = match part.contains('*') {
            true => {
                let names = self.sysroot.names(folder);
                self.sysroot.tolerate(names)?.unwrap_or_default()
            }
            false => vec![part.replace("{release}", &self.release)],
        };
        let before = part.trim_end_matches('*');
        for name in names
            .iter()
            .filter(|name| name.starts_with(before) || before == *part)
        {
            let path = folder.join(name);
            // Others were left by an editor, or are somebody else's.
            let is_foreign = is_enrolled(&path) && !is_uuid(&path)
                || matches!(how, Module) && rest.is_empty() && !self.is_ours(&path);
            if is_foreign && !self.sysroot.has_folder(&path) {
                continue;
            }
            if let Some(target) = self.sysroot.target(&path) {
                self.put_link(folder, name, &target);
            }
            match (rest, self.sysroot.has_folder(&path)) {
                (_, true) => {
                    self.put(&path, Entry::Folder);
                    self.walk(&path, rest, how)?;
                }
                ([], false) if self.sysroot.has(&path) => {
                    let content = self.content(&path, how);
                    if let Some(content) = self.sysroot.tolerate(content)?.flatten() {
                        self.put(&path, Entry::File(content));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Notes a link by the place of its folder, because links may lead there. What lies where people
    /// name folders is taken for what lies in the place of the link.
    fn put_link(&mut self, folder: &Path, name: &str, target: &Path) {
        let Some(folder) = self.place(folder) else {
            return;
        };
        if is_common(&lexical(&folder, target)) && self.leads_to_common(&folder.join(name)) {
            let target = Entry::Link(self.names.path(target));
            self.taken
                .insert(self.names.path(&folder.join(name)), target);
        }
    }

    /// Tells whether a link leads nowhere, or to a place with a common name.
    fn leads_to_common(&self, link: &Path) -> bool {
        self.sysroot
            .device(link)
            .is_none_or(|real| is_common(&real))
    }

    /// Returns the place of a file or a folder, without links that are taken.
    fn place(&self, path: &Path) -> Option<PathBuf> {
        let real = self.sysroot.device(path)?;
        let visible = match path.parent().zip(path.file_name()) {
            Some((folder, name)) if !is_common(&real) => self.place(folder)?.join(name),
            _ => real,
        };
        Some(visible)
    }

    /// Notes a file or a folder by its place. A later row of [`TAKEN`] is more special.
    fn put(&mut self, path: &Path, entry: Entry) {
        if let Some(place) = self.place(path) {
            let place = self.names.path(&place);
            match entry {
                Entry::Folder => drop(self.taken.entry(place).or_insert(entry)),
                entry => drop(self.taken.insert(place, entry)),
            }
        }
    }

    /// Returns what is taken of a file; `None` if nothing is, or if its device has just been removed.
    fn content(&mut self, path: &Path, how: How) -> Result<Option<Vec<u8>>> {
        let is_module = || path.extension().is_some_and(|it| it != "dep");
        match how {
            Name => return Ok(Some(Vec::new())),
            Module if !is_module() || !self.is_ours(path) => return Ok(None),
            // md has files that can only be written, by root too.
            _ if self.sysroot.is_write_only(path) => return Ok(None),
            _ => {}
        }
        let bytes = match how {
            Module => self.sysroot.end(path, SIGNED.len() as u64),
            _ => self.sysroot.bytes(path),
        };
        let shown = || self.sysroot.path(path).display().to_string();
        let bytes = match bytes {
            Err(error) if is_no_value(&error) => return Ok(None),
            bytes => bytes.with_context(shown)?,
        };
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_end();
        let line = |text: String| (text + "\n").into_bytes();
        Ok(Some(match how {
            Pseudonym(SERIAL) if self.serials => bytes,
            ConfigSpace if self.serials => bytes,
            Name => Vec::new(),
            Whole => bytes,
            PackedOptions => pack_options(&bytes).with_context(shown)?,
            Pseudonym(_) if text.is_empty() => bytes,
            Pseudonym(kind) => line(self.names.of(kind, text)),
            ConfigSpace => config::without_serial(bytes),
            Part(part) => line(part(&mut self.names, self.sysroot, text)),
            Module => match bytes == SIGNED {
                true => bytes,
                false => Vec::new(),
            },
        }))
    }

    fn is_ours(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.replace('_', "-").contains("-p2p.ko")
    }
}

/// The end of a module that is signed.
const SIGNED: &[u8] = b"~Module signature appended~\n";

/// Tells whether a file has nothing to read, such as when its device is gone.
fn is_no_value(error: &io::Error) -> bool {
    use nix::libc::{EINVAL, EIO, ENODEV, ENOENT, ENXIO, EOPNOTSUPP};
    let none = [EINVAL, EIO, ENODEV, ENOENT, ENXIO, EOPNOTSUPP];
    error
        .raw_os_error()
        .is_some_and(|number| none.contains(&number))
}

/// Other names for those that identify somebody; the same for the same name.
#[derive(Default)]
struct Pseudonyms {
    numbers: BTreeMap<(&'static str, String), usize>,
    /// The block devices with names that people chose: `md_data`.
    named: BTreeSet<String>,
}

impl Pseudonyms {
    fn number(&mut self, kind: &'static str, name: &str) -> usize {
        let next = 1 + self.numbers.keys().filter(|(it, _)| *it == kind).count();
        *self.numbers.entry((kind, name.to_owned())).or_insert(next)
    }

    fn of(&mut self, kind: &'static str, name: &str) -> String {
        format!("{kind}{}", self.number(kind, name))
    }

    /// Returns the UUID that stands for another; a text that is no UUID becomes none.
    fn uuid(&mut self, text: &str) -> String {
        let plain = text.replace(['-', ':'], "").to_lowercase();
        match plain.chars().all(|c| c == '0') {
            true => text.to_owned(),
            false => format!(
                "00000000-0000-0000-0000-{:012}",
                self.number("uuid", &plain)
            ),
        }
    }

    /// Replaces the names of arrays in a path, which people choose.
    fn path(&mut self, path: &Path) -> PathBuf {
        let in_md = path
            .parent()
            .is_some_and(|folder| folder.ends_with("dev/md"));
        let in_enrolled = is_enrolled(path);
        let in_btrfs = path.starts_with(BTRFS);
        let last = path.components().count().saturating_sub(1);
        let mut made = PathBuf::new();
        for (number, part) in path.components().enumerate() {
            let text = part.as_os_str().to_string_lossy();
            let before = if text.starts_with("dev-") { "dev-" } else { "" };
            let name = &text[before.len()..];
            match name
                .strip_prefix("md_")
                .filter(|_| self.named.contains(name))
            {
                _ if number == last && in_md => made.push(self.alias(&text)),
                _ if number == last && in_enrolled => made.push(self.uuid(&text)),
                _ if in_btrfs && text.parse::<Uuid>().is_ok() => made.push(self.uuid(&text)),
                Some(name) => made.push(format!("{before}md_{}", self.alias(name))),
                None => made.push(part),
            }
        }
        made
    }

    /// Returns another name for an array, unless the name is only its number.
    fn alias(&mut self, name: &str) -> String {
        match name.chars().all(|c| c.is_ascii_digit()) {
            true => name.to_owned(),
            false => self.of("name", name),
        }
    }
}

/// Tells whether a place below the root begins with a folder that every root has.
fn is_common(path: &Path) -> bool {
    let is_in = |folders: &[&str]| folders.iter().any(|it| path.starts_with(it));
    path.components().next().is_none() || is_in(&COMMON) && !is_in(&PEOPLES)
}

/// Returns where a link in a folder leads, as far as its text tells.
fn lexical(folder: &Path, target: &Path) -> PathBuf {
    let mut path = PathBuf::new();
    for part in folder.join(target).components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::ParentDir => drop(path.pop()),
            Component::RootDir => path.clear(),
            Component::CurDir | Component::Prefix(_) => {}
        }
    }
    path
}

fn is_enrolled(path: &Path) -> bool {
    path.parent()
        .is_some_and(|folder| folder.ends_with("etc/md-p2p/enrolled"))
}

fn is_uuid(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.parse::<Uuid>().is_ok()
}

/// Keeps the parameters of the kernel that matter here.
fn parameters(_: &mut Pseudonyms, _: &Sysroot, text: &str) -> String {
    const KEPT: [&str; 12] = [
        "pci",
        "iommu",
        "intel_iommu",
        "amd_iommu",
        "iommu.passthrough",
        "iommu.strict",
        "swiotlb",
        "module.sig_enforce",
        "lockdown",
        "nvme_core.multipath",
        "nvme.use_cmb_sqes",
        "raid",
    ];
    let is_kept = |word: &&str| {
        let key = word.split('=').next().unwrap_or_default().replace('-', "_");
        KEPT.contains(&&key[..]) || key.starts_with("md_p2p") || key.starts_with("md_mod")
    };
    // A value in quotes may have spaces, and is somebody's text. What follows `--` is for init.
    let plain: String = text.split('"').step_by(2).collect::<Vec<_>>().join("\"");
    let words = plain.split_whitespace().take_while(|word| *word != "--");
    let words: Vec<&str> = words
        .filter(|it| is_kept(it) && !it.contains('"'))
        .collect();
    words.join(" ")
}

/// Keeps what tells the kind of processor, of the first one.
fn processor(_: &mut Pseudonyms, _: &Sysroot, text: &str) -> String {
    const KEPT: [&str; 11] = [
        "processor",
        "vendor_id",
        "cpu family",
        "model",
        "model name",
        "flags",
        // Those by which other architectures are known.
        "CPU implementer",
        "hart",
        "cpu model",
        "CPU Family",
        "timebase",
    ];
    let first = text.split("\n\n").next().unwrap_or_default();
    let is_kept = |line: &&str| {
        let key = line.split(':').next().unwrap_or_default().trim();
        KEPT.contains(&key)
    };
    first.lines().filter(is_kept).collect::<Vec<_>>().join("\n")
}

/// Keeps which devices are mounted, and not where.
fn mounts(names: &mut Pseudonyms, sysroot: &Sysroot, text: &str) -> String {
    let mut made = Vec::new();
    for line in text.lines() {
        let (Some((place, rest)), Some(at)) = (line.split_once(" - "), line.split(' ').nth(4))
        else {
            continue;
        };
        let number = place.split(' ').nth(2).unwrap_or("0:0");
        let mut rest = rest.split(' ');
        let kind = rest.next().unwrap_or("none");
        // FUSE's is followed by a name.
        let kind = kind.split('.').next().unwrap_or_default();
        let source = device(names, sysroot, rest.next().unwrap_or_default());
        let source = source.unwrap_or_else(|| "none".into());
        let at = match at {
            "/boot" | "/boot/efi" | "/home" | "/tmp" | "/srv" => at.into(),
            at if ESSENTIAL.contains(&at) => at.into(),
            at => format!("/{}", names.of("mount", at)),
        };
        made.push(format!("1 1 {number} / {at} rw - {kind} {source} rw"));
    }
    made.join("\n")
}

/// Keeps who made a device of device mapper: `LVM-` or `CRYPT-`, and not which it is.
fn maker(_: &mut Pseudonyms, _: &Sysroot, text: &str) -> String {
    let maker = ["LVM-", "CRYPT-"]
        .into_iter()
        .find(|it| text.starts_with(it));
    maker.unwrap_or_default().to_owned()
}

/// Keeps which devices are swap.
fn swaps(names: &mut Pseudonyms, sysroot: &Sysroot, text: &str) -> String {
    let mut line = |line: &str| {
        let mut words = line.split_whitespace();
        let path = words.next()?;
        let path = match path.starts_with('/') {
            true => device(names, sysroot, path).unwrap_or_else(|| "/swap".into()),
            false => path.to_owned(),
        };
        Some(format!("{path} {}", words.collect::<Vec<_>>().join(" ")))
    };
    text.lines()
        .filter_map(&mut line)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Returns the kernel's path of a device in `/dev`, whose links people name.
fn device(names: &mut Pseudonyms, sysroot: &Sysroot, path: &str) -> Option<String> {
    let inside = path.strip_prefix("/dev/")?;
    let real = sysroot.device(path.trim_start_matches('/'));
    let name = match &real {
        Some(real) => real.file_name()?.to_str()?,
        None => inside,
    };
    let is_known = sysroot.has(format!("sys/class/block/{name}"));
    let path = names.path(Path::new(&format!("/dev/{name}")));
    is_known.then(|| path.to_string_lossy().into_owned())
}

/// Keeps which options a kernel has. Their texts may be names, paths and passwords.
fn options(_: &mut Pseudonyms, _: &Sysroot, text: &str) -> String {
    let kept: Vec<&str> = text.lines().filter(|line| is_option(line)).collect();
    kept.join("\n")
}

/// Tells whether a line says that an option is on, or with which hash modules are signed.
fn is_option(line: &str) -> bool {
    let option = line
        .strip_prefix("CONFIG_")
        .and_then(|it| it.split_once('='));
    option.is_some_and(|(name, value)| matches!(value, "y" | "m") || name == "MODULE_SIG_HASH")
}

/// Does what [`options`] does, with a packed file.
fn pack_options(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let text = bounded(GzDecoder::new(bytes))?;
    let text = String::from_utf8_lossy(&text);
    let kept: Vec<&str> = text.lines().filter(|line| is_option(line)).collect();
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(kept.join("\n").as_bytes())?;
    packed.finish()
}

/// Keeps the modules, without their addresses, which are the kernel's secret.
fn modules(_: &mut Pseudonyms, _: &Sysroot, text: &str) -> String {
    let line = |line: &str| {
        let words = line.split(' ').map(|word| match word.starts_with("0x") {
            true => "0x0000000000000000",
            false => word,
        });
        words.collect::<Vec<_>>().join(" ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Replaces the container in `external:/md_NAME/0`. A minus sign stands there while mdmon is not to
/// touch the array.
fn metadata(names: &mut Pseudonyms, _: &Sysroot, text: &str) -> String {
    let Some(rest) = text.strip_prefix("external:") else {
        return text.to_owned();
    };
    let sign = &rest[..rest.len() - rest.trim_start_matches(['/', '-']).len()];
    let path = names.path(Path::new(&rest[sign.len()..]));
    format!("external:{sign}{}", path.display())
}

/// Keeps whether there is a bitmap, and whether it is in a file.
fn bitmap(_: &mut Pseudonyms, _: &Sysroot, text: &str) -> String {
    match text.starts_with("file") {
        true => "file".into(),
        false => text.to_owned(),
    }
}

/// Keeps why md-p2p was not built, without paths in folders of people.
fn refusal(_: &mut Pseudonyms, _: &Sysroot, text: &str) -> String {
    let is_ours = |word: &str| match word.strip_prefix('/') {
        Some(path) => is_common(Path::new(path)),
        None => ["drivers/", "kbuild/", "kmod/", "include/"]
            .iter()
            .any(|it| word.starts_with(it)),
    };
    let word = |word: &str| {
        let bare = word.trim_end_matches(END);
        match bare.contains('/') && !is_ours(bare) {
            true => format!("/path{}", &word[bare.len()..]),
            false => word.to_owned(),
        }
    };
    const END: &[char] = &[
        ' ', '\n', '\t', '\'', '"', '=', ':', ';', ',', '(', ')', '<', '>', '`',
    ];
    text.split_inclusive(END).map(word).collect()
}

/// Keeps the files of md-p2p.
fn dependencies(_: &mut Pseudonyms, _: &Sysroot, text: &str) -> String {
    let is_kept = |line: &&str| line.replace('_', "-").contains("-p2p.ko");
    text.lines().filter(is_kept).collect::<Vec<_>>().join("\n")
}

/// Keeps the number of an enrolled array, and gives it another name.
fn enrolled(names: &mut Pseudonyms, _: &Sysroot, text: &str) -> String {
    let line = |line: &str| match line.strip_prefix("MD_DEVNAME=") {
        Some(name) => Some(format!("MD_DEVNAME={}", names.alias(&text::name(name)))),
        None => line.starts_with("MD_P2P_NUMBER=").then(|| line.to_owned()),
    };
    text.lines().filter_map(line).collect::<Vec<_>>().join("\n")
}
