// SPDX-License-Identifier: GPL-2.0
//! Reads the files of a machine below a root folder, which may hold the files of another machine.

use std::borrow::Cow;
use std::fmt::Display;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::{iter, panic, thread};

use anyhow::{Context, Result, anyhow, bail};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{self, OFlag, OpenHow, ResolveFlag};
use nix::libc;
use nix::sys::stat::Mode;

use crate::text;

/// The size of the largest file that is read. No file of a machine is near it: the list of PCI
/// devices, `modules.dep`, and `/proc/cpuinfo` of a thousand processors have 1 to 2 MiB.
const LARGEST: u64 = 8 << 20;

/// The root folder of a machine.
///
/// The files of another machine are somebody else's: a link there may lead anywhere, a file may be a
/// pipe or have no end, and a name may hold what a terminal obeys. So every access goes through here.
/// Links are followed within the root, only regular files are read, up to a size, and texts and names
/// are [harmless](text).
#[derive(Clone, Debug)]
pub struct Sysroot {
    /// The folder in which paths begin, as it is shown.
    root: PathBuf,
    /// The folder in which paths begin; on another machine, its root.
    folder: PathBuf,
    /// That folder, open.
    open: Arc<OwnedFd>,
    /// On another machine, the folder below its root in which paths begin.
    elsewhere: Option<PathBuf>,
    /// On another machine, that folder, open: most paths neither leave it nor go through links.
    near: Option<Arc<OwnedFd>>,
    /// What could not be read or understood; `None` if that ends the command.
    complaints: Option<Complaints>,
}

type Complaints = Arc<Mutex<Vec<String>>>;

/// Part of another machine that was not captured, so that nobody can tell what is in there.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not among the files of this machine")]
pub struct NotCaptured(String);

impl Sysroot {
    /// Opens the machine whose `sys`, `proc` and `dev` lie below `root`.
    ///
    /// # Errors
    /// Fails if there is no `sys` below it.
    pub fn at(root: &Path) -> Result<Self> {
        Self::unpacked(root, root)
    }

    /// Opens the machine that was unpacked into a folder; messages name the archive that it was in.
    ///
    /// # Errors
    /// Fails if there is no `sys` in the folder.
    pub fn unpacked(folder: &Path, archive: &Path) -> Result<Self> {
        if !folder.join("sys").is_dir() {
            bail!(
                "{}: no folder `sys` in it; expected a root folder with sys, proc and dev",
                archive.display()
            );
        }
        let open = fcntl::open(folder, FOLDER, Mode::empty());
        Ok(Self {
            open: open.with_context(|| archive.display().to_string())?.into(),
            root: archive.to_owned(),
            folder: folder.to_owned(),
            elsewhere: (folder != Path::new("/")).then(PathBuf::new),
            near: None,
            complaints: None,
        })
    }

    /// Returns the same machine for a command that shows what there is: a file that cannot be read
    /// or understood then costs what is told of it, and not the whole command.
    pub fn tolerant(&self) -> Self {
        Self {
            complaints: Some(Complaints::default()),
            ..self.clone()
        }
    }

    /// Returns what was read, or `None` if that failed and the command [can do
    /// without](Self::tolerant). The error is then among the [complaints](Self::complaints).
    ///
    /// # Errors
    /// Returns the error if the command cannot do without.
    pub fn tolerate<T>(&self, read: Result<T>) -> Result<Option<T>> {
        let (error, complaints) = match (read, &self.complaints) {
            (Err(error), Some(complaints)) => (error, complaints),
            (read, _) => return read.map(Some),
        };
        let mut complaints = complaints.lock().unwrap_or_else(PoisonError::into_inner);
        let complaint = format!("{error:#}");
        if !complaints.contains(&complaint) {
            complaints.push(complaint);
        }
        Ok(None)
    }

    /// Returns what could not be read or understood so far.
    pub fn complaints(&self) -> Vec<String> {
        let complaints = self.complaints.iter();
        let all =
            complaints.flat_map(|it| it.lock().unwrap_or_else(PoisonError::into_inner).clone());
        all.collect()
    }

    /// Fails if none of these files and folders of another machine was captured. What is not there
    /// on this machine does not exist.
    ///
    /// # Errors
    /// Fails with [`NotCaptured`].
    pub fn needs(&self, paths: &[&str]) -> Result<()> {
        match self.is_here() || paths.iter().any(|path| self.has(path)) {
            true => Ok(()),
            false => Err(NotCaptured(paths.join(" or ")).into()),
        }
    }

    /// Opens a folder of the machine that much is read from. Paths then begin in this folder, and
    /// the path to it is looked up only once.
    ///
    /// # Errors
    /// Fails if there is no such folder.
    pub fn within(&self, folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let open = self.open(folder, FOLDER);
        let open = open.with_context(|| self.shown(folder))?.into();
        let root = self.root.join(folder);
        Ok(match &self.elsewhere {
            None => Self {
                root,
                folder: self.folder.join(folder),
                open,
                ..self.clone()
            },
            Some(above) => Self {
                root,
                elsewhere: Some(above.join(folder)),
                near: Some(open),
                ..self.clone()
            },
        })
    }

    /// Opens a file or a folder. On this machine, links lead where the kernel says. On another, none
    /// leads out of its root, and an absolute link begins there.
    fn open(&self, path: &Path, flags: OFlag) -> io::Result<OwnedFd> {
        let flags = flags | OFlag::O_CLOEXEC;
        let Some(above) = &self.elsewhere else {
            return Ok(fcntl::openat(
                &self.open,
                &*real(path),
                flags,
                Mode::empty(),
            )?);
        };
        if let Some(opened) = self.open_near(path, flags) {
            return opened;
        }
        let path = above.join(path);
        let how = OpenHow::new()
            .flags(flags)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        // The kernel says EAGAIN if anything on the machine was renamed while it went up by `..`.
        let mut tries = iter::repeat_with(|| fcntl::openat2(&self.open, &*real(&path), how));
        let opened = tries
            .by_ref()
            .take(1000)
            .find(|opened| !matches!(opened, Err(Errno::EAGAIN)));
        Ok(opened.unwrap_or(Err(Errno::EAGAIN))?)
    }

    /// Opens what lies near on another machine; `None` if the path leads through a link or away, so
    /// that it must begin at the root.
    fn open_near(&self, path: &Path, flags: OFlag) -> Option<io::Result<OwnedFd>> {
        let how = OpenHow::new().flags(flags).resolve(
            ResolveFlag::RESOLVE_BENEATH
                | ResolveFlag::RESOLVE_NO_SYMLINKS
                | ResolveFlag::RESOLVE_NO_MAGICLINKS,
        );
        match fcntl::openat2(self.near.as_ref()?, &*real(path), how) {
            Err(Errno::ELOOP | Errno::EXDEV | Errno::EAGAIN) => None,
            opened => Some(opened.map_err(io::Error::from)),
        }
    }

    /// Tells whether this is the machine that we run on: no other machine can be changed.
    pub fn is_here(&self) -> bool {
        self.elsewhere.is_none()
    }

    /// Returns the path of a regular file for a program that reads it, and that nothing leads out of
    /// its machine by; `None` if there is no such file.
    pub fn for_program(&self, path: impl AsRef<Path>) -> Option<PathBuf> {
        Some(self.folder.join(&*real(&self.device(path)?)))
    }

    /// Returns the path of a file of this machine, for what changes it or shows its path; `path`
    /// begins with `sys/`, `proc/` or the like. Files of another machine must not be opened by it.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(&*real(path.as_ref()))
    }

    /// Returns a path as messages have it.
    fn shown(&self, path: impl AsRef<Path>) -> String {
        text::shown(&self.root.join(path).to_string_lossy()).into_owned()
    }

    /// Tells whether a file exists.
    pub fn has(&self, path: impl AsRef<Path>) -> bool {
        self.open(path.as_ref(), OFlag::O_PATH).is_ok()
    }

    /// Tells whether a folder exists.
    pub fn has_folder(&self, path: impl AsRef<Path>) -> bool {
        self.open(path.as_ref(), FOLDER).is_ok()
    }

    /// Returns the content of a file that has one value, without the spaces around it.
    ///
    /// # Errors
    /// Names the file if it cannot be read.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<String> {
        let text = self.text(path.as_ref());
        text.map(|text| text::shown(&text).into_owned())
            .with_context(|| self.shown(path))
    }

    /// Returns what [`Self::read`] does, or `None` if the file does not exist or its device has
    /// just been removed.
    ///
    /// # Errors
    /// Fails if the file exists and cannot be read.
    pub fn read_if(&self, path: impl AsRef<Path>) -> Result<Option<String>> {
        unless_gone(self.text(path.as_ref()))
            .map(|text| text.map(|text| text::shown(&text).into_owned()))
            .with_context(|| self.shown(path))
    }

    /// Returns the lines of a file, without the spaces around them all; `None` if the file does not
    /// exist or its device has just been removed.
    ///
    /// # Errors
    /// Fails if the file exists and cannot be read.
    pub fn lines_if(&self, path: impl AsRef<Path>) -> Result<Option<String>> {
        unless_gone(self.text(path.as_ref()))
            .map(|text| text.map(|text| text::shown_columns(&text).into_owned()))
            .with_context(|| self.shown(path))
    }

    fn text(&self, path: &Path) -> io::Result<String> {
        let bytes = bounded(self.file(path)?)?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// Returns the bytes of a file.
    ///
    /// # Errors
    /// Returns the error of the system.
    pub fn bytes(&self, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        bounded(self.file(path.as_ref())?)
    }

    /// Returns the last bytes of a file.
    ///
    /// # Errors
    /// Returns the error of the system.
    pub fn end(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        let mut file = self.file(path)?;
        let start = file.metadata()?.len().saturating_sub(most);
        file.seek(SeekFrom::Start(start))?;
        bounded(file)
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// Returns the error of the system.
    pub fn file(&self, path: &Path) -> io::Result<File> {
        // A pipe would have us wait for somebody who writes.
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        if !self.is_here() {
            // To open a device may do something to it, and files of others may be devices.
            let (file, _) = self.regular(path)?;
            let again = format!("/proc/self/fd/{}", file.as_raw_fd());
            return Ok(fcntl::open(&again[..], flags, Mode::empty())?.into());
        }
        let file = File::from(self.open(path, flags)?);
        match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(io::Error::new(ErrorKind::InvalidData, "not a regular file")),
        }
    }

    /// Finds a regular file, and does not open it for reading.
    fn regular(&self, path: &Path) -> io::Result<(File, Metadata)> {
        let file = File::from(self.open(path, OFlag::O_PATH)?);
        let metadata = file.metadata()?;
        match metadata.is_file() {
            true => Ok((file, metadata)),
            false => Err(io::Error::new(ErrorKind::InvalidData, "not a regular file")),
        }
    }

    /// Tells whether nobody may read a file, not even root.
    pub fn is_write_only(&self, path: &Path) -> bool {
        let mode = self.regular(path).map(|(_, it)| it.permissions().mode());
        mode.is_ok_and(|mode| mode & 0o444 == 0)
    }

    /// Parses the content of a file: a number, or another type that is written as one word.
    ///
    /// # Errors
    /// Names the file if it cannot be read or understood.
    pub fn value<T: FromStr>(&self, path: impl AsRef<Path>) -> Result<T>
    where
        T::Err: Display,
    {
        let text = self.read(path.as_ref())?;
        self.parsed(path.as_ref(), &text)
    }

    fn parsed<T: FromStr>(&self, path: &Path, text: &str) -> Result<T>
    where
        T::Err: Display,
    {
        text.parse()
            .map_err(|error| garbage(&self.path(path), text, &error))
    }

    /// Returns what [`Self::value`] does, or `None` if the file does not exist.
    ///
    /// # Errors
    /// Names the file if it cannot be read or understood.
    pub fn value_if<T: FromStr>(&self, path: impl AsRef<Path>) -> Result<Option<T>>
    where
        T::Err: Display,
    {
        let text = self.read_if(path.as_ref())?;
        text.map(|text| self.parsed(path.as_ref(), &text))
            .transpose()
    }

    /// Lists the names in a folder, sorted, with numbers by value; no names if the folder does not
    /// exist.
    ///
    /// # Errors
    /// Names the folder if it cannot be read.
    pub fn names(&self, folder: impl AsRef<Path>) -> Result<Vec<String>> {
        let folder = folder.as_ref();
        let opened = self.open(
            folder,
            OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NONBLOCK,
        );
        let list = |opened: OwnedFd| {
            let entries = Dir::from_fd(opened)?.into_iter();
            let names = entries.map(|entry| Ok(name(entry?.file_name().to_bytes())));
            names.collect::<nix::Result<Vec<_>>>()
        };
        let mut names = match opened {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            opened => opened
                .and_then(|opened| Ok(list(opened)?))
                .with_context(|| self.shown(folder))?,
        };
        names.retain(|name| name != "." && name != "..");
        names.sort_by_cached_key(|name| natural(name));
        Ok(names)
    }

    /// Returns the last component of a link's target, such as the name of a driver; `None` if there
    /// is no such link.
    pub fn link(&self, path: impl AsRef<Path>) -> Option<String> {
        let target = self.target(path)?;
        Some(target.file_name()?.to_str()?.to_owned())
    }

    /// Returns the target of a link, without following it; `None` if there is no such link.
    pub fn target(&self, path: impl AsRef<Path>) -> Option<PathBuf> {
        let path = path.as_ref();
        let target = match (&self.elsewhere, &self.near) {
            (None, _) => fcntl::readlinkat(&self.open, &*real(path)),
            // A name alone leads nowhere.
            (Some(_), Some(near)) if is_name(path) => fcntl::readlinkat(near, &*real(path)),
            _ => {
                let link = self.open(path, OFlag::O_PATH | OFlag::O_NOFOLLOW);
                fcntl::readlinkat(link.ok()?, "")
            }
        };
        Some(name(target.ok()?.as_bytes()).into())
    }

    /// Resolves a path of `sys/class` or `sys/bus` to `sys/devices/…`, below the root.
    pub fn device(&self, path: impl AsRef<Path>) -> Option<PathBuf> {
        let file = self.open(path.as_ref(), OFlag::O_PATH).ok()?;
        let [file, root] = [&file, &*self.open].map(|fd| {
            let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
            fcntl::readlink(&link[..]).ok().map(PathBuf::from)
        });
        let below = file?.strip_prefix(root?).ok()?.to_owned();
        Some(name(below.as_os_str().as_bytes()).into())
    }
}

/// The flags for a folder in which others are looked up.
const FOLDER: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY);

/// Returns the path that is meant by one made of harmless names.
fn real(path: &Path) -> Cow<'_, Path> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.is_empty() {
        return Cow::Borrowed(Path::new("."));
    }
    match path.to_str().map(text::original) {
        Some(Cow::Owned(path)) => Cow::Owned(path.into()),
        _ => Cow::Borrowed(path),
    }
}

/// Tells whether a path is the name of what lies in the folder in which it begins.
fn is_name(path: &Path) -> bool {
    let real = real(path);
    let mut parts = real.components();
    matches!(
        (parts.next(), parts.next()),
        (Some(Component::Normal(_)), None)
    )
}

/// Makes a harmless name.
fn name(bytes: &[u8]) -> String {
    text::name(&String::from_utf8_lossy(bytes)).into_owned()
}

/// Reads a file to its end, unless it is too large.
///
/// # Errors
/// Returns the error of the system.
pub fn bounded(from: impl Read) -> io::Result<Vec<u8>> {
    const PAGE: usize = 4096;
    // The size of the file is not asked for, because sysfs does not know it.
    let mut bytes = Vec::with_capacity(PAGE);
    from.take(LARGEST + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > LARGEST {
        true => Err(io::Error::new(
            ErrorKind::InvalidData,
            format!("larger than {} MiB, which no such file is", LARGEST >> 20),
        )),
        false => Ok(bytes),
    }
}

/// Turns the error that a file is not there into `None`.
fn unless_gone<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Err(error) if is_gone(&error) => Ok(None),
        read => read.map(Some),
    }
}

/// Calls `read` for each name, and returns the results in the order of the names, without those
/// that are `None`. For many names it uses a thread for each processor, because most of the time
/// the kernel looks up files.
///
/// # Errors
/// Returns the first error, in the order of the names.
pub fn each<T: Send>(
    names: &[String],
    read: impl Fn(&str) -> Result<Option<T>> + Sync,
) -> Result<Vec<T>> {
    const PART: usize = 32;
    let parts: Vec<&[String]> = names.chunks(PART).collect();
    let next = AtomicUsize::new(0);
    let all = |names: &[String]| -> Result<Vec<T>> {
        let made = names.iter().filter_map(|name| read(name).transpose());
        made.collect()
    };
    // A thread takes the next part when its part is done, because some parts take much longer.
    let take = || {
        let number = next.fetch_add(1, Ordering::Relaxed);
        Some((number, all(parts.get(number)?)))
    };
    let work = || iter::from_fn(take).collect::<Vec<_>>();
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let mut done = thread::scope(|scope| {
        let threads: Vec<_> = (1..processors.min(parts.len()))
            .map(|_| scope.spawn(work))
            .collect();
        let mut done = work();
        for thread in threads {
            let others = thread.join();
            done.extend(others.unwrap_or_else(|panic| panic::resume_unwind(panic)));
        }
        done
    });
    done.sort_by_key(|(number, _)| *number);
    let mut made = Vec::with_capacity(names.len());
    for (_, part) in done {
        made.extend(part?);
    }
    Ok(made)
}

/// Makes the error for a file whose content cannot be understood.
pub fn garbage(path: &Path, text: &str, why: &dyn Display) -> anyhow::Error {
    let quoted: String = text.chars().take(40).collect();
    anyhow!(
        "{}: `{}` cannot be understood: {why}",
        text::shown(&path.to_string_lossy()),
        text::shown(&quoted)
    )
}

/// Tells whether the file does not exist (ENOENT) or its device was removed (ENODEV, ENXIO).
fn is_gone(error: &io::Error) -> bool {
    let number = error.raw_os_error();
    number.is_some_and(|number| [libc::ENOENT, libc::ENODEV, libc::ENXIO].contains(&number))
}

/// Returns a key that sorts nvme2 before nvme10.
pub fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let text = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (before, after) = rest.split_at(text);
        let digits = after
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(after.len());
        let (number, after) = after.split_at(digits);
        parts.push((before.to_owned(), number.parse().unwrap_or(0)));
        rest = after;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::put;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// Makes a machine's folder beside a secret that does not belong to it.
    fn beside_a_secret() -> (tempfile::TempDir, Sysroot) {
        let folder = tempfile::tempdir().expect("a folder");
        put(folder.path(), "secret", "secret");
        put(folder.path(), "secrets/name", "secret");
        put(folder.path(), "root/sys/devices/x/file", "mine");
        let sysroot = Sysroot::at(&folder.path().join("root")).expect("a machine");
        (folder, sysroot)
    }

    #[test]
    fn no_link_leads_out_of_the_root() {
        let (folder, sysroot) = beside_a_secret();
        let outside = folder.path().to_str().expect("a path");
        for target in [
            format!("{outside}/secret"),
            "../../secret".into(),
            "../../../../../../../../../../../../../etc/passwd".into(),
            "/etc/passwd".into(),
            "/proc/self/root/etc/passwd".into(),
            "loop".into(),
        ] {
            let link = folder.path().join("root/sys/loop");
            symlink(&target, &link).expect("a link");
            assert!(sysroot.read("sys/loop").is_err(), "{target}");
            assert!(sysroot.bytes("sys/loop").is_err(), "{target}");
            assert!(!sysroot.has("sys/loop"), "{target}");
            assert_eq!(sysroot.device("sys/loop"), None, "{target}");
            let sys = sysroot.within("sys").expect("a folder");
            assert!(sys.read("loop").is_err(), "{target}");
            assert!(!sys.has("loop"), "{target}");
            assert!(sys.names("loop").unwrap_or_default().is_empty(), "{target}");
            fs::remove_file(link).expect("removed");
        }
        for target in [
            format!("{outside}/secrets"),
            "../../secrets".into(),
            "/etc".into(),
        ] {
            let link = folder.path().join("root/sys/folder");
            symlink(&target, &link).expect("a link");
            assert_eq!(
                sysroot.names("sys/folder").expect("none"),
                [""; 0],
                "{target}"
            );
            assert!(!sysroot.has_folder("sys/folder"), "{target}");
            assert!(sysroot.within("sys/folder").is_err(), "{target}");
            assert!(sysroot.read("sys/folder/name").is_err(), "{target}");
            fs::remove_file(link).expect("removed");
        }
        assert!(sysroot.read("../secret").is_err());
        let sys = sysroot.within("sys").expect("a folder");
        assert!(sys.read("../../secret").is_err());
    }

    #[test]
    fn a_link_is_followed_within_the_root() {
        let (folder, sysroot) = beside_a_secret();
        for target in [
            "/sys/devices/x",
            "devices/x",
            "../sys/devices/x",
            "../../../../sys/devices/x",
        ] {
            let link = folder.path().join("root/sys/link");
            symlink(target, &link).expect("a link");
            assert_eq!(sysroot.read("sys/link/file").expect(target), "mine");
            let folder = sysroot.within("sys/link").expect(target);
            assert_eq!(folder.read("file").expect(target), "mine");
            assert_eq!(folder.names("").expect(target), ["file"]);
            assert_eq!(
                sysroot.device("sys/link").expect(target),
                Path::new("sys/devices/x")
            );
            assert_eq!(sysroot.link("sys/link").as_deref(), Some("x"));
            // What is near is looked up there, unless a link leads away.
            let near = sysroot.within("sys").expect(target);
            assert_eq!(near.read("link/file").expect(target), "mine");
            assert_eq!(near.link("link").as_deref(), Some("x"));
            assert_eq!(near.read("../sys/link/file").expect(target), "mine");
            fs::remove_file(link).expect("removed");
        }
    }

    #[test]
    fn only_regular_files_of_a_sane_size_are_read() {
        let (folder, sysroot) = beside_a_secret();
        let root = folder.path().join("root");
        nix::unistd::mkfifo(&root.join("sys/pipe"), Mode::S_IRWXU).expect("a pipe");
        let large = File::create(root.join("sys/large")).expect("a file");
        large.set_len(1 << 40).expect("a size");
        put(&root, "sys/full", &"x".repeat(LARGEST as usize));
        for (path, why) in [
            ("sys/pipe", "not a regular file"),
            ("sys/devices", "not a regular file"),
            ("sys/large", "larger than 8 MiB"),
        ] {
            let error = format!("{:#}", sysroot.read(path).expect_err(path));
            assert!(error.contains(path) && error.contains(why), "{error}");
            assert!(
                sysroot.read_if(path).is_err() && sysroot.bytes(path).is_err(),
                "{path}"
            );
        }
        assert_eq!(
            sysroot.read("sys/full").expect("a file").len() as u64,
            LARGEST
        );
    }

    #[test]
    fn what_is_read_is_harmless_and_names_lead_back() {
        let (folder, sysroot) = beside_a_secret();
        let root = folder.path().join("root");
        let evil = "E\u{1b}\u{1b}]0;T\u{7}\n\u{9b}\u{202e}";
        put(&root, &format!("sys/{evil}/file"), &format!("\t{evil}\n"));
        symlink(evil, root.join("sys/link")).expect("a link");
        let names = sysroot.names("sys").expect("names");
        let shown = "E\\u{1b}\\u{1b}]0;T\\u{7}\\u{a}\\u{9b}\\u{202e}";
        assert_eq!(names, [shown, "devices", "link"]);
        assert_eq!(sysroot.link("sys/link").as_deref(), Some(shown));
        assert_eq!(
            sysroot.device("sys/link"),
            Some(format!("sys/{shown}").into())
        );
        for path in [format!("sys/{shown}/file"), "sys/link/file".into()] {
            assert_eq!(sysroot.read(&path).expect("a file"), shown);
            let lines = sysroot.lines_if(&path).expect("a file");
            assert_eq!(lines, Some(shown.replace("\\u{a}", "\n")));
        }
        let within = sysroot.within(format!("sys/{shown}")).expect("a folder");
        assert_eq!(within.read("file").expect("a file"), shown);
        let error = within.value::<u32>("file").expect_err("no number");
        assert!(
            !format!("{error:#}").contains(char::is_control),
            "{error:#}"
        );
        let error = within.read("none").expect_err("no file");
        assert!(
            !format!("{error:#}").contains(char::is_control),
            "{error:#}"
        );
    }

    #[test]
    fn numbers_in_names_are_sorted_by_their_value() {
        let mut names = ["nvme10n1", "nvme2n1", "md127", "md0", "nvme2n1p1"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["md0", "md127", "nvme2n1", "nvme2n1p1", "nvme10n1"]);
    }

    #[test]
    fn of_many_each_comes_once_and_in_its_place() {
        for count in [0, 1, 63, 64, 65, 1000, 4096] {
            let names: Vec<String> = (0..count).map(|number| number.to_string()).collect();
            let even = |name: &str| {
                let number: usize = name.parse()?;
                Ok((number % 2 == 0).then_some(number))
            };
            let made = each(&names, even).expect("numbers");
            assert_eq!(made, (0..count).step_by(2).collect::<Vec<_>>());
        }
        let names: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
        let error = each(&names, |name| match name {
            "100" | "900" => bail!("{name}"),
            _ => Ok(Some(())),
        });
        assert_eq!(error.expect_err("two errors").to_string(), "100");
    }

    #[test]
    fn an_error_names_the_file_and_what_is_in_it() {
        let folder = tempfile::tempdir().expect("a folder");
        put(folder.path(), "sys/number", "12x\n");
        let sysroot = Sysroot::at(folder.path()).expect("a host");
        let error = sysroot
            .value::<u64>("sys/number")
            .expect_err("12x is no number");
        assert!(error.to_string().contains("sys/number: `12x`"), "{error}");
        assert!(
            sysroot
                .value_if::<u64>("sys/none")
                .expect("not there")
                .is_none()
        );
        let error = format!("{:#}", sysroot.read("sys/none").expect_err("not there"));
        assert!(error.contains("sys/none: No such file"), "{error}");
    }
}
