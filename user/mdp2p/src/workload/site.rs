// SPDX-License-Identifier: GPL-2.0
//! Where data may be moved: an array that is only read, a file that is made on it, or an
//! array that nobody uses.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, OFlag, fallocate, fcntl};
use nix::libc::{O_DIRECT, O_EXCL};
use nix::sys::stat::{major, minor};
use nix::sys::statvfs::statvfs;
use serde::Serialize;

use crate::ui;
use mdp2p_io::memory::PAGE;
use mdp2p_io::target::Target;
use mdp2p_machine::block::contents::{self, Contents};
use mdp2p_machine::block::users;
use mdp2p_machine::md::array::{Array, Driver};
use mdp2p_machine::programs;
use mdp2p_machine::sysroot::Sysroot;

/// What is done to an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It is read.
    ReadOnly,
    /// A file on its filesystem is made, written and read.
    WriteFile,
    /// It is written and read itself; what it held is lost.
    Destructive,
}

/// A place that was looked at and found fit; nothing has been opened or made for good.
#[derive(Debug)]
pub struct Site {
    /// What is done there.
    pub mode: Mode,
    /// The array or the file.
    pub path: PathBuf,
    /// Bytes that it has, or that a file can have.
    pub bytes: u64,
    /// What the array holds, if it is to be overwritten and holds something.
    pub holds: Option<String>,
    /// Keeps others from taking the array while it is overwritten.
    guard: Option<File>,
}

impl Site {
    /// Looks whether `array` can be read; or written, if a file or `destructive` says so.
    ///
    /// # Errors
    /// If it does not run, or is not to be written to, with what it is used for.
    pub fn survey(
        sysroot: &Sysroot,
        array: &Array,
        write_file: Option<&Path>,
        destructive: bool,
    ) -> Result<Self> {
        let name = &array.name;
        if array.bytes < PAGE as u64 || array.state == "inactive" || array.state == "clear" {
            bail!(
                "{name} does not run, or has no size: it is {}; `mdp2p assemble` starts it",
                array.state
            );
        }
        let writes = destructive || write_file.is_some();
        if writes && array.driver == Driver::Md {
            bail!(
                "{name} is an array of the kernel's md, which can lose what is written from peer \
                 memory and call it a success; it is only read here. Stop it, and assemble it with \
                 `mdp2p assemble`, to have md-p2p write"
            );
        }
        if writes && array.state == "readonly" {
            bail!("{name} is read-only; `mdp2p mdadm -- --readwrite /dev/{name}` changes that");
        }
        match write_file {
            Some(path) => Self::on_filesystem(sysroot, array, path),
            None if destructive => Self::bare(sysroot, array),
            None => Ok(Self::of(Mode::ReadOnly, node(sysroot, array), array.bytes)),
        }
    }

    fn of(mode: Mode, path: PathBuf, bytes: u64) -> Self {
        Self {
            mode,
            path,
            bytes,
            holds: None,
            guard: None,
        }
    }

    fn on_filesystem(sysroot: &Sysroot, array: &Array, path: &Path) -> Result<Self> {
        if fs::symlink_metadata(path).is_ok() {
            bail!(
                "--write-file {}: it is there already; name a file that is not, so that nothing \
                 is overwritten",
                path.display()
            );
        }
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let said = || format!("--write-file {}", path.display());
        let metadata = fs::metadata(folder)
            .with_context(|| folder.display().to_string())
            .with_context(said)?;
        if !metadata.is_dir() || path.file_name().is_none() {
            bail!("{}: a file in a folder that is there is wanted", said());
        }
        let device = (major(metadata.dev()), minor(metadata.dev()));
        lies_on(sysroot, array, device).with_context(said)?;
        let free = statvfs(folder).with_context(said)?;
        let free = free.blocks_available().saturating_mul(free.fragment_size());
        Ok(Self::of(Mode::WriteFile, path.to_owned(), free))
    }

    fn bare(sysroot: &Sysroot, array: &Array) -> Result<Self> {
        let name = &array.name;
        let uses = uses(sysroot, array)?;
        if !uses.is_empty() {
            bail!(
                "{name} is in use: {}. It is not overwritten, whatever is said",
                uses.join(", ")
            );
        }
        let mut site = Self::of(Mode::Destructive, node(sysroot, array), array.bytes);
        // Another machine's, which can only be looked at.
        if !sysroot.is_here() && !site.path.exists() {
            return Ok(site);
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        site.guard = Some(open(sysroot, array, options.custom_flags(O_EXCL))?);
        site.holds = match contents::read(programs::program("blkid").as_deref(), &site.path) {
            Contents::Nothing => None,
            Contents::Something(what) => Some(what),
            Contents::Unknown(why) => {
                bail!(
                    "nobody can tell whether {name} holds something: {why}; it is not overwritten"
                )
            }
        };
        Ok(site)
    }

    /// Asks whether what is overwritten of an array may be, which `what` tells; of files and
    /// of what is only read it asks nothing.
    ///
    /// # Errors
    /// If the answer is no, or nobody is there to give it.
    pub fn confirm(&self, array: &Array, what: &str, yes: bool) -> Result<()> {
        if self.mode != Mode::Destructive {
            return Ok(());
        }
        let question = format!("{}. Go on?", self.question(array, what));
        ui::confirm(&question, yes)
    }

    /// What a dry run has to say of the array.
    pub fn note(&self, array: &Array) -> Option<String> {
        let holds = self.holds.as_ref()?;
        Some(format!(
            "{} holds {holds}, which will be lost; that takes a yes, or --yes.",
            array.name
        ))
    }

    fn question(&self, array: &Array, what: &str) -> String {
        let holds = match &self.holds {
            Some(what) => format!("holds {what}, which will be lost"),
            None => "holds no filesystem and no partition table".to_owned(),
        };
        let bytes = ui::bytes(array.bytes);
        format!("{} ({bytes}) {holds}; {what}", array.name)
    }

    /// Opens it, without caches; makes a file of `bytes`, which has no name any more when
    /// this returns: so the kernel removes it, however we end.
    ///
    /// # Errors
    /// With a remedy, if that cannot be done.
    pub fn open(&self, sysroot: &Sysroot, array: &Array, bytes: u64) -> Result<OpenSite> {
        let mut options = OpenOptions::new();
        options.read(true).write(self.mode != Mode::ReadOnly);
        let file = match self.mode {
            Mode::WriteFile => make(&self.path, options.create_new(true).mode(0o600), bytes)?,
            _ => open(sysroot, array, options.custom_flags(O_DIRECT))?,
        };
        Ok(OpenSite {
            path: self.path.clone(),
            file,
        })
    }
}

/// A place that is open.
#[derive(Debug)]
pub struct OpenSite {
    path: PathBuf,
    file: File,
}

impl OpenSite {
    /// To move data to and from.
    ///
    /// # Errors
    /// If there are too many open files.
    pub fn target(&self) -> Result<Target> {
        let file = self.file.try_clone();
        let file = file.with_context(|| self.path.display().to_string())?;
        Ok(Target::of(&self.path, file))
    }
}

fn node(sysroot: &Sysroot, array: &Array) -> PathBuf {
    sysroot.path(format!("dev/{}", array.name))
}

fn open(sysroot: &Sysroot, array: &Array, options: &mut OpenOptions) -> Result<File> {
    let path = node(sysroot, array);
    let opened =
        options
            .open(&path)
            .map_err(|error| match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::EBUSY) => anyhow!(
                    "{} is in use, by whom the kernel does not say; it is not overwritten",
                    path.display()
                ),
                _ => remedy(anyhow::Error::new(error).context(path.display().to_string())),
            });
    let file = opened?;
    let metadata = file.metadata()?;
    let device = (major(metadata.rdev()), minor(metadata.rdev()));
    let is_array =
        metadata.file_type().is_block_device() && device == users::number(sysroot, &array.name)?;
    if sysroot.is_here() && !is_array {
        bail!(
            "{} is not {}, or not any more; is udev at work?",
            path.display(),
            array.name
        );
    }
    Ok(file)
}

fn make(path: &Path, options: &OpenOptions, bytes: u64) -> Result<File> {
    let said = || path.display().to_string();
    let file = options.open(path).with_context(said).map_err(remedy)?;
    fs::remove_file(path)
        .with_context(|| format!("{} was made, and cannot be removed", path.display()))?;
    // Not sooner: where there is no O_DIRECT, the kernel makes the file, and then fails.
    match fcntl(&file, FcntlArg::F_SETFL(OFlag::O_DIRECT)) {
        Err(Errno::EINVAL) => bail!(
            "{}: no O_DIRECT in this filesystem, which peer memory needs",
            path.display()
        ),
        done => done.with_context(said)?,
    };
    let length = i64::try_from(bytes)?;
    match fallocate(&file, FallocateFlags::empty(), 0, length) {
        // Not every filesystem can.
        Ok(()) | Err(Errno::EOPNOTSUPP) => file.set_len(bytes).with_context(said)?,
        Err(Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG) => bail!(
            "{}: no room for {}; a smaller file may do",
            path.display(),
            ui::bytes(bytes)
        ),
        Err(errno) => return Err(errno).with_context(said),
    }
    Ok(file)
}

/// The error with what to do, if it is for want of permission.
pub fn remedy(error: anyhow::Error) -> anyhow::Error {
    let is_denied = |cause: &(dyn std::error::Error + 'static)| {
        let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        kind == Some(ErrorKind::PermissionDenied)
            || matches!(
                cause.downcast_ref::<Errno>(),
                Some(Errno::EACCES | Errno::EPERM)
            )
    };
    match error.chain().any(is_denied) {
        true => anyhow!("{error:#}; that takes root: run mdp2p with sudo"),
        false => error,
    }
}

/// The array, and its partitions.
fn names(sysroot: &Sysroot, array: &Array) -> Result<Vec<String>> {
    let folder = format!("sys/block/{}", array.name);
    let mut names = vec![array.name.clone()];
    let is_partition = |name: &String| sysroot.has(format!("{folder}/{name}/partition"));
    names.extend(sysroot.names(&folder)?.into_iter().filter(is_partition));
    Ok(names)
}

/// What an array and its partitions are used for, as far as can be seen: `mounted on /data`.
///
/// # Errors
/// If sysfs or procfs cannot be read.
pub fn uses(sysroot: &Sysroot, array: &Array) -> Result<Vec<String>> {
    let mut sentences = Vec::new();
    for name in names(sysroot, array)? {
        let said = |used: users::Use| match name == array.name {
            true => used.to_string(),
            false => format!("{name} is {used}"),
        };
        sentences.extend(users::of(sysroot, &name)?.into_iter().map(said));
    }
    Ok(sentences)
}

/// An error unless a filesystem with this device number lies on the array.
fn lies_on(sysroot: &Sysroot, array: &Array, device: (u64, u64)) -> Result<()> {
    let mounts = users::mounts(sysroot)?;
    let mut on_array = Vec::new();
    for name in names(sysroot, array)? {
        let number = users::number(sysroot, &name)?;
        if number == device {
            return Ok(());
        }
        on_array.extend(mounts.iter().filter(|m| m.is_on(sysroot, &name, number)));
    }
    if on_array.iter().any(|mount| mount.device == device) {
        return Ok(());
    }
    let (major, minor) = device;
    let there = sysroot
        .link(format!("sys/dev/block/{major}:{minor}"))
        .or_else(|| {
            let mount = mounts.iter().find(|mount| mount.device == device)?;
            Some(mount.source.clone())
        })
        .unwrap_or_else(|| format!("device {major}:{minor}"));
    let name = &array.name;
    match on_array.first() {
        Some(mount) => bail!(
            "it lies on {there}, not on {name}, which is mounted on {}",
            mount.at
        ),
        None => bail!("it lies on {there}, not on {name}, which is not mounted"),
    }
}

/// Bytes that pieces begin and end at where they can, for blocks that are not cut in two at
/// chunks.
const UNIT: u64 = 64 << 10;

/// Pieces of an array of `bytes`, `size` all together: its beginning, its end, and as many in
/// between that all of its members take part, those of linear too.
pub fn pieces(bytes: u64, size: u64, array: &Array) -> Vec<Range<u64>> {
    let page = PAGE as u64;
    let bytes = bytes - bytes % page;
    if size >= bytes {
        return std::iter::once(0..bytes).collect();
    }
    let members = u64::from(array.raid_disks);
    let stripe = array.chunk_bytes.saturating_mul(members).max(UNIT);
    let wanted = (size / stripe).clamp(3, members.saturating_mul(2).max(3));
    let unit = if size >= wanted * UNIT { UNIT } else { page };
    let count = wanted.min(size / unit).max(1);
    let length = (size / count / unit * unit).max(page);
    let step = |number: u64| {
        let gaps = u128::from((count - 1).max(1));
        let start = u128::from(bytes - length) * u128::from(number) / gaps;
        u64::try_from(start).unwrap_or(0) / unit * unit
    };
    let mut pieces: Vec<_> = (0..count).map(|n| step(n)..step(n) + length).collect();
    if let Some(last) = pieces.last_mut().filter(|_| count > 1) {
        last.end = bytes;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use mdp2p_machine::testing::put;

    fn array(bytes: u64, chunk_bytes: u64, raid_disks: u32) -> Array {
        Array {
            name: "md0".into(),
            aliases: Vec::new(),
            driver: Driver::MdP2p,
            level: "raid0".into(),
            raid_disks,
            bytes,
            state: "clean".into(),
            degraded: 0,
            chunk_bytes,
            metadata: "1.2".into(),
            members: Vec::new(),
            rebuild: None,
            p2p: None,
        }
    }

    /// A machine with md0 (9:0) and its partition md0p1 (259:3).
    fn machine() -> (tempfile::TempDir, Sysroot) {
        let folder = tempfile::tempdir().expect("a folder");
        let put = |path: &str, text: &str| put(folder.path(), path, text);
        put("sys/block/md0/dev", "9:0\n");
        put("sys/block/md0/md0p1/partition", "1\n");
        put("sys/class/block/md0/dev", "9:0\n");
        put("sys/class/block/md0p1/dev", "259:3\n");
        put("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n");
        put("dev/md0", &"\0".repeat(1 << 20));
        let sysroot = Sysroot::at(folder.path()).expect("a host");
        (folder, sysroot)
    }

    fn write(sysroot: &Sysroot, path: &str, text: &str) {
        put(&sysroot.path(""), path, text);
    }

    #[test]
    fn what_an_array_is_used_for_is_found() {
        let (_folder, sysroot) = machine();
        let array = array(1 << 20, 0, 2);
        let uses = || uses(&sysroot, &array).expect("a use");
        assert_eq!(uses(), [] as [&str; 0]);
        let mounted = "36 1 9:0 / /mnt/my\\040data rw shared:1 - ext4 /dev/md0 rw\n\
                       37 1 0:44 / /btrfs rw - btrfs /dev/md0p1 rw\n\
                       38 1 8:1 / / rw - ext4 /dev/sda1 rw\n";
        write(&sysroot, "proc/self/mountinfo", mounted);
        assert_eq!(
            uses(),
            ["mounted on /mnt/my data", "md0p1 is mounted on /btrfs"]
        );
        write(&sysroot, "proc/self/mountinfo", "");
        write(
            &sysroot,
            "proc/swaps",
            "Filename\n/dev/md0p1 partition 1 0 -2\n",
        );
        assert_eq!(uses(), ["md0p1 is swap"]);
        write(&sysroot, "proc/swaps", "Filename\n");
        write(&sysroot, "sys/class/block/md0/holders/dm-0", "");
        assert_eq!(uses(), ["held by dm-0"]);
        let error = Site::survey(&sysroot, &array, None, true).expect_err("it is held");
        assert!(
            error.to_string().contains("md0 is in use: held by dm-0"),
            "{error}"
        );
    }

    #[test]
    fn a_bare_array_is_taken_and_one_with_a_signature_is_named() {
        let (_folder, sysroot) = machine();
        let array = array(1 << 20, 0, 2);
        let site = Site::survey(&sysroot, &array, None, true).expect("nobody uses it");
        assert_eq!(
            (site.mode, site.holds.as_deref()),
            (Mode::Destructive, None)
        );
        // What makes a disk label: 55 aa at the end of the first sector, and an entry.
        let mut label = vec![0; 1 << 20];
        label[446..462].copy_from_slice(&[0, 0, 2, 0, 0x83, 0, 8, 0, 1, 0, 0, 0, 63, 0, 0, 0]);
        label[510..512].copy_from_slice(&[0x55, 0xaa]);
        fs::write(sysroot.path("dev/md0"), label).expect("a disk label");
        let site = Site::survey(&sysroot, &array, None, true).expect("nobody uses it");
        assert_eq!(site.holds.as_deref(), Some("dos partition table"));
        let note = site.note(&array).expect("it holds something");
        assert!(note.starts_with("md0 holds dos partition table"), "{note}");
        let question = site.question(&array, "all of it is overwritten");
        assert_eq!(
            question,
            "md0 (1 MiB) holds dos partition table, which will be lost; all of it is overwritten"
        );
    }

    #[test]
    fn a_file_has_to_be_new_and_on_the_array() {
        let (folder, sysroot) = machine();
        let array = array(1 << 20, 0, 2);
        let path = folder.path().join("new");
        let survey = |path: &Path| Site::survey(&sysroot, &array, Some(path), false);
        let error = format!("{:#}", survey(&path).expect_err("it is elsewhere"));
        assert!(
            error.contains("not on md0, which is not mounted"),
            "{error}"
        );
        write(
            &sysroot,
            "proc/self/mountinfo",
            "36 1 9:0 / /mnt/data rw - ext4 /dev/md0 rw\n",
        );
        let error = format!("{:#}", survey(&path).expect_err("it is elsewhere"));
        assert!(
            error.contains("not on md0, which is mounted on /mnt/data"),
            "{error}"
        );

        let device = fs::metadata(folder.path()).expect("a folder").dev();
        let number = format!("{}:{}", major(device), minor(device));
        write(&sysroot, "sys/class/block/md0p1/dev", &number);
        let site = survey(&path).expect("it is on a partition of md0");
        assert_eq!(
            (site.mode, site.path.as_path()),
            (Mode::WriteFile, path.as_path())
        );
        let error = survey(&folder.path().join("proc/swaps")).expect_err("it is there");
        assert!(error.to_string().contains("there already"), "{error}");
        let error = survey(&folder.path().join("none/new")).expect_err("no such folder");
        assert!(
            format!("{error:#}").contains("none: No such file"),
            "{error:#}"
        );
    }

    #[test]
    fn a_file_that_was_made_is_gone_at_once() {
        let (folder, sysroot) = machine();
        let array = array(1 << 20, 0, 2);
        let path = folder.path().join("new");
        let mut site = Site::of(Mode::WriteFile, path.clone(), 1 << 20);
        let place = match site.open(&sysroot, &array, 1 << 16) {
            Err(error) if error.to_string().contains("no O_DIRECT") => return,
            place => place.expect("a file"),
        };
        assert!(!path.exists());
        let target = place.target().expect("a target");
        assert_eq!(target.size().expect("a size"), 1 << 16);
        fs::write(&path, "mine").expect("a file");
        let error = site
            .open(&sysroot, &array, 1 << 16)
            .expect_err("it is there");
        assert!(format!("{error:#}").contains("File exists"), "{error:#}");
        assert_eq!(fs::read(&path).expect("still there"), b"mine");
        site.path = folder.path().join("large");
        let error = site
            .open(&sysroot, &array, 1 << 60)
            .expect_err("no such room");
        assert!(error.to_string().contains("no room for 1 EiB"), "{error:#}");
        assert!(!site.path.exists());
    }

    #[test]
    fn the_kernels_md_is_never_written_to() {
        let (_folder, sysroot) = machine();
        let mut array = array(1 << 20, 0, 2);
        array.driver = Driver::Md;
        let error = Site::survey(&sysroot, &array, None, true).expect_err("it loses writes");
        assert!(error.to_string().contains("the kernel's md"), "{error}");
        assert!(Site::survey(&sysroot, &array, None, false).is_ok());
        array.state = "inactive".into();
        let error = Site::survey(&sysroot, &array, None, false).expect_err("it does not run");
        assert!(error.to_string().contains("inactive"), "{error}");
    }

    #[test]
    fn who_is_denied_is_told_to_be_root() {
        let denied = io::Error::from_raw_os_error(nix::libc::EACCES);
        let error = remedy(anyhow::Error::new(denied).context("/dev/md0"));
        let text = error.to_string();
        assert!(text.starts_with("/dev/md0: Permission denied"), "{text}");
        assert!(
            text.ends_with("that takes root: run mdp2p with sudo"),
            "{text}"
        );
        let other = remedy(anyhow!("something else"));
        assert_eq!(other.to_string(), "something else");
    }

    #[test]
    fn all_members_take_part_in_what_is_read() {
        const MIB: u64 = 1 << 20;
        // linear: one behind the other.
        let linear = array(8 * 100 * MIB, 0, 8);
        let pieces_of_linear = pieces(linear.bytes, 16 * MIB, &linear);
        for member in 0..8 {
            let has = |range: &Range<u64>| range.start / (100 * MIB) == member;
            assert!(
                pieces_of_linear.iter().any(has),
                "{member}: {pieces_of_linear:?}"
            );
        }
        // raid0: in turn.
        let striped = array(8 * 100 * MIB, MIB / 2, 8);
        let all = pieces(striped.bytes, 16 * MIB, &striped);
        assert_eq!(all.len(), 4);
        for member in 0..8 {
            let has = |range: &Range<u64>| {
                let mut chunks = range.clone().step_by(MIB as usize / 2);
                chunks.any(|at| at / (MIB / 2) % 8 == member)
            };
            assert!(all.iter().any(has), "{member}: {all:?}");
        }
    }

    proptest! {
        #[test]
        fn pieces_are_apart_and_reach_from_end_to_end(
            pages in 1..1u64 << 30, size in 1..1u64 << 20, chunk in 0..3u64, members in 1..40u32,
        ) {
            let (bytes, size) = (pages * 4096 + 512, size * 4096);
            let all = pieces(bytes, size, &array(bytes, chunk << 19, members));
            let total: u64 = all.iter().map(|range| range.end - range.start).sum();
            prop_assert!(total <= pages * 4096);
            prop_assert!(total < size + UNIT && 2 * total >= size.min(pages * 4096));
            prop_assert_eq!(all[0].start, 0);
            for range in &all {
                prop_assert!(range.start < range.end && range.end <= pages * 4096);
                prop_assert!(range.start % 4096 == 0 && range.end % 4096 == 0);
            }
            for pair in all.windows(2) {
                prop_assert!(pair[0].end <= pair[1].start, "{:?}", all);
            }
            if all.len() > 1 {
                prop_assert_eq!(all[all.len() - 1].end, pages * 4096);
            }
        }
    }
}
