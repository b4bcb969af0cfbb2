// SPDX-License-Identifier: GPL-2.0
//! Where data may be moved: an array that is only read, a new file on the array, or an array that
//! nobody uses.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::libc::{O_DIRECT, O_EXCL};
use nix::sys::stat::{major, minor};
use nix::sys::statvfs::statvfs;
use serde::Serialize;

use super::file;
use super::uses;
use crate::control::moving;
use crate::ui;
use mdp2p_io::memory::PAGE;
use mdp2p_io::target::Target;
use mdp2p_machine::block::contents::{self, Contents};
use mdp2p_machine::md::array::{Array, Driver};
use mdp2p_machine::programs;
use mdp2p_machine::sysroot::Sysroot;

/// How the array is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The array is read.
    ReadOnly,
    /// A file is made on the array's filesystem, written and read.
    WriteFile,
    /// The array itself is written and read, and its contents are lost.
    Destructive,
}

/// A place for I/O that was inspected and found fit. Nothing has been changed there yet.
#[derive(Debug)]
pub struct Site {
    /// How the array is used.
    pub mode: Mode,
    /// The node of the array, or the file.
    pub path: PathBuf,
    /// The size of the array, or the largest size that the file can have.
    pub bytes: u64,
    /// What the array holds, if it is to be overwritten and is not empty.
    pub holds: Option<String>,
    /// Keeps others from taking the array while it is overwritten.
    guard: Option<File>,
}

impl Site {
    /// Checks whether `array` can be read or, for a file or with `destructive`, be written to.
    ///
    /// # Errors
    /// If the array does not run, or must not be written to; the error says who uses it.
    pub fn survey(
        sysroot: &Sysroot,
        array: &Array,
        write_file: Option<&Path>,
        destructive: bool,
    ) -> Result<Self> {
        let name = &array.name;
        if array.bytes < PAGE as u64 || array.state == "inactive" || array.state == "clear" {
            bail!(
                "{name} is not running, or has no size (its state is {}): see `mdp2p detail {name}`",
                array.state
            );
        }
        let writes = destructive || write_file.is_some();
        if writes && array.driver == Driver::Md {
            bail!(
                "{name} is an array of the kernel's md, which can lose writes from peer memory and \
                 report success, so it is only read here; {}",
                moving::pointer(name)
            );
        }
        if writes && array.state == "readonly" {
            bail!("{name} is read-only; `mdp2p mdadm -- --readwrite /dev/{name}` changes that");
        }
        match write_file {
            Some(path) => Self::on_filesystem(sysroot, array, path),
            None if destructive => Self::on_bare_array(sysroot, array),
            None => Ok(Self::of(
                Mode::ReadOnly,
                file::node(sysroot, array),
                array.bytes,
            )),
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
                "--write-file {}: it exists already; name a new file, so that nothing is overwritten",
                path.display()
            );
        }
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let option = || format!("--write-file {}", path.display());
        let metadata = fs::metadata(folder)
            .with_context(|| folder.display().to_string())
            .with_context(option)?;
        if !metadata.is_dir() || path.file_name().is_none() {
            bail!("{}: name a file in an existing folder", option());
        }
        let device = (major(metadata.dev()), minor(metadata.dev()));
        uses::check_is_on_array(sysroot, array, device).with_context(option)?;
        let free = statvfs(folder).with_context(option)?;
        let free = free.blocks_available().saturating_mul(free.fragment_size());
        Ok(Self::of(Mode::WriteFile, path.to_owned(), free))
    }

    fn on_bare_array(sysroot: &Sysroot, array: &Array) -> Result<Self> {
        let name = &array.name;
        let uses = uses::of(sysroot, array)?;
        if !uses.is_empty() {
            bail!(
                "{name} is in use: {}. An array in use is never overwritten",
                uses.join(", ")
            );
        }
        let mut site = Self::of(Mode::Destructive, file::node(sysroot, array), array.bytes);
        // The files of another machine can only be inspected.
        if !sysroot.is_here() && !site.path.exists() {
            return Ok(site);
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        site.guard = Some(file::open(sysroot, array, options.custom_flags(O_EXCL))?);
        site.holds = match contents::read(programs::program("blkid").as_deref(), &site.path) {
            Contents::Nothing => None,
            Contents::Something(what) => Some(what),
            Contents::Unknown(why) => {
                bail!("cannot tell whether {name} holds data: {why}; it is not overwritten")
            }
        };
        Ok(site)
    }

    /// Asks for confirmation before an array is overwritten; `what` names the data at stake.
    ///
    /// Does nothing for files and for read-only runs.
    ///
    /// # Errors
    /// If the answer is no, or nobody is there to answer.
    pub fn confirm(&self, array: &Array, what: &str, yes: bool) -> Result<()> {
        if self.mode != Mode::Destructive {
            return Ok(());
        }
        let question = format!("{}. Continue?", self.question(array, what));
        ui::confirm(&question, yes)
    }

    /// Returns what would be lost, as a sentence for a dry run.
    pub fn loss(&self, array: &Array) -> Option<String> {
        let holds = self.holds.as_ref()?;
        Some(format!(
            "{} holds {holds}, which will be lost; a real run asks first, unless --yes is given.",
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

    /// Opens the array or a new file of `bytes` bytes for direct I/O.
    ///
    /// The file has no name any more when this returns, so the kernel removes it, however we end.
    ///
    /// # Errors
    /// If that fails; the error says what to do.
    pub fn open(&self, sysroot: &Sysroot, array: &Array, bytes: u64) -> Result<OpenSite> {
        let mut options = OpenOptions::new();
        options.read(true).write(self.mode != Mode::ReadOnly);
        let file = match self.mode {
            Mode::WriteFile => {
                file::create(&self.path, options.create_new(true).mode(0o600), bytes)?
            }
            _ => file::open(sysroot, array, options.custom_flags(O_DIRECT))?,
        };
        Ok(OpenSite {
            path: self.path.clone(),
            file,
        })
    }
}

/// An open place for I/O.
#[derive(Debug)]
pub struct OpenSite {
    path: PathBuf,
    file: File,
}

impl OpenSite {
    /// Returns a target for transfers.
    ///
    /// # Errors
    /// If there are too many open files.
    pub fn target(&self) -> Result<Target> {
        let file = self.file.try_clone();
        let file = file.with_context(|| self.path.display().to_string())?;
        Ok(Target::of(&self.path, file))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{array, machine, write};
    use super::*;

    #[test]
    fn an_array_that_is_held_is_not_overwritten() {
        let (_folder, sysroot) = machine();
        let array = array(1 << 20, 0, 2);
        write(&sysroot, "sys/class/block/md0/holders/dm-0", "");
        let error = Site::survey(&sysroot, &array, None, true).expect_err("it is held");
        assert!(
            error.to_string().contains("md0 is in use: held by dm-0"),
            "{error}"
        );
    }

    #[test]
    fn a_bare_array_is_accepted_and_a_signature_is_named() {
        let (_folder, sysroot) = machine();
        let array = array(1 << 20, 0, 2);
        let site = Site::survey(&sysroot, &array, None, true).expect("nobody uses it");
        assert_eq!(
            (site.mode, site.holds.as_deref()),
            (Mode::Destructive, None)
        );
        // A DOS disk label: 55 aa at the end of the first sector, and one entry.
        let mut label = vec![0; 1 << 20];
        label[446..462].copy_from_slice(&[0, 0, 2, 0, 0x83, 0, 8, 0, 1, 0, 0, 0, 63, 0, 0, 0]);
        label[510..512].copy_from_slice(&[0x55, 0xaa]);
        fs::write(sysroot.path("dev/md0"), label).expect("a disk label");
        let site = Site::survey(&sysroot, &array, None, true).expect("nobody uses it");
        assert_eq!(site.holds.as_deref(), Some("dos partition table"));
        let note = site.loss(&array).expect("it holds something");
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
        assert!(error.to_string().contains("exists already"), "{error}");
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
}
