// SPDX-License-Identifier: GPL-2.0
//! Reads the files of a machine below a root folder, which may hold the files of another machine.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{iter, panic, thread};

use anyhow::{Context, Result, anyhow, bail};
use nix::fcntl::{self, OFlag};
use nix::libc;
use nix::sys::stat::Mode;

/// The root folder of a machine.
#[derive(Clone, Debug)]
pub struct Sysroot {
    root: PathBuf,
    /// The open root folder: files are looked up from here.
    open: Arc<OwnedFd>,
}

impl Sysroot {
    /// Opens the machine whose `sys`, `proc` and `dev` lie below `root`.
    ///
    /// # Errors
    /// Fails if there is no `sys` below it.
    pub fn at(root: &Path) -> Result<Self> {
        if !root.join("sys").is_dir() {
            bail!(
                "{}: no folder `sys` in it; expected a root folder with sys, proc and dev",
                root.display()
            );
        }
        Self::open(root.to_owned())
    }

    /// Opens a folder of the machine that much is read from. Paths then begin in this folder, and
    /// the path to it is looked up only once.
    ///
    /// # Errors
    /// Fails if there is no such folder.
    pub fn within(&self, folder: impl AsRef<Path>) -> Result<Self> {
        Self::open(self.path(folder))
    }

    fn open(root: PathBuf) -> Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let open = fcntl::open(&root, flags, Mode::empty());
        Ok(Self {
            open: open.with_context(|| root.display().to_string())?.into(),
            root,
        })
    }

    /// Tells whether this is the machine that we run on: no other machine can be changed.
    pub fn is_here(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Returns the path of a file of the machine; `path` begins with `sys/`, `proc/` or the like.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }

    /// Tells whether a file exists.
    pub fn has(&self, path: impl AsRef<Path>) -> bool {
        self.path(path).exists()
    }

    /// Returns the content of a file, without the spaces around it.
    ///
    /// # Errors
    /// Names the file if it cannot be read.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<String> {
        let text = self.text(path.as_ref());
        text.with_context(|| self.path(path).display().to_string())
    }

    /// Returns what [`Self::read`] does, or `None` if the file does not exist or its device has
    /// just been removed.
    ///
    /// # Errors
    /// Fails if the file exists and cannot be read.
    pub fn read_if(&self, path: impl AsRef<Path>) -> Result<Option<String>> {
        match self.text(path.as_ref()) {
            Err(error) if is_gone(&error) => Ok(None),
            text => text
                .map(Some)
                .with_context(|| self.path(path).display().to_string()),
        }
    }

    fn text(&self, path: &Path) -> io::Result<String> {
        const PAGE: usize = 4096;
        let mut bytes = Vec::with_capacity(PAGE);
        // The size of the file is not read, because sysfs does not know it.
        let mut file = self.file(path)?.take(u64::MAX);
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    /// Returns the error of the system.
    pub fn file(&self, path: &Path) -> io::Result<File> {
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let file = fcntl::openat(&self.open, path, flags, Mode::empty())?;
        Ok(file.into())
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
        let path = self.path(folder);
        let entries = match fs::read_dir(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.with_context(|| path.display().to_string())?,
        };
        let mut names = entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<_>>>()
            .with_context(|| path.display().to_string())?;
        names.sort_by_cached_key(|name| natural(name));
        Ok(names)
    }

    /// Returns the last component of a link's target, such as the name of a driver; `None` if there
    /// is no such link.
    pub fn link(&self, path: impl AsRef<Path>) -> Option<String> {
        let target = PathBuf::from(fcntl::readlinkat(&self.open, path.as_ref()).ok()?);
        Some(target.file_name()?.to_string_lossy().into_owned())
    }

    /// Resolves a path of `sys/class` or `sys/bus` to `sys/devices/…`, below the root.
    pub fn device(&self, path: impl AsRef<Path>) -> Option<PathBuf> {
        let real = fs::canonicalize(self.path(path)).ok()?;
        let root = fs::canonicalize(&self.root).ok()?;
        real.strip_prefix(root).ok().map(Path::to_owned)
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
    let shown: String = text.chars().take(40).collect();
    anyhow!(
        "{}: `{}` cannot be understood: {why}",
        path.display(),
        shown.escape_debug()
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
