// SPDX-License-Identifier: GPL-2.0
//! What this machine says of itself in `/sys`, `/proc` and `/dev`, read through one
//! type that takes a root folder: so another machine's files can be looked at too.

use std::fmt::Display;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, anyhow, bail};

/// A machine, by its root folder.
#[derive(Clone, Debug)]
pub struct Host {
    root: PathBuf,
}

impl Host {
    /// The machine whose `sys`, `proc` and `dev` lie below `root`.
    ///
    /// # Errors
    /// If there is no `sys` below it.
    pub fn at(root: &Path) -> Result<Self> {
        if !root.join("sys").is_dir() {
            bail!(
                "{}: no folder `sys` in it; a root folder with sys, proc and dev is wanted",
                root.display()
            );
        }
        let root = root.to_owned();
        Ok(Self { root })
    }

    /// Whether it is the machine that we run on: another one cannot be changed.
    pub fn is_here(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Where `path`, which begins with `sys/`, `proc/` or the like, is to be found.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }

    /// Whether it is there.
    pub fn has(&self, path: impl AsRef<Path>) -> bool {
        self.path(path).exists()
    }

    /// The content of a file without spaces around it.
    ///
    /// # Errors
    /// With the path, if it cannot be read.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<String> {
        let path = self.path(path);
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// The same, or nothing if there is no such file, or if what it was about has just gone.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    pub fn read_if(&self, path: impl AsRef<Path>) -> Result<Option<String>> {
        match self.read(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The value in a file: a number, or whatever else is written in one word.
    ///
    /// # Errors
    /// With the path, if it cannot be read or is something else.
    pub fn value<T: FromStr>(&self, path: impl AsRef<Path>) -> Result<T>
    where
        T::Err: Display,
    {
        let text = self.read(path.as_ref())?;
        text.parse()
            .map_err(|error| garbage(&self.path(path), &text, &error))
    }

    /// The same, or nothing if there is no such file.
    ///
    /// # Errors
    /// As [`Self::value`].
    pub fn value_if<T: FromStr>(&self, path: impl AsRef<Path>) -> Result<Option<T>>
    where
        T::Err: Display,
    {
        match self.value(path) {
            Ok(value) => Ok(Some(value)),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The names in a folder, sorted, numbers in them by their value; none if there is no
    /// such folder.
    ///
    /// # Errors
    /// With the path, if it cannot be read.
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

    /// The last component of what a link leads to (a driver's name, say); nothing if there
    /// is no such link.
    pub fn link(&self, path: impl AsRef<Path>) -> Option<String> {
        let target = fs::read_link(self.path(path)).ok()?;
        Some(target.file_name()?.to_string_lossy().into_owned())
    }

    /// Where a path of `sys/class` or `sys/bus` really lies: `sys/devices/…`, below the root.
    pub fn device(&self, path: impl AsRef<Path>) -> Option<PathBuf> {
        let real = fs::canonicalize(self.path(path)).ok()?;
        let root = fs::canonicalize(&self.root).ok()?;
        real.strip_prefix(root).ok().map(Path::to_owned)
    }
}

/// The error for a file that holds what nobody can read.
pub fn garbage(path: &Path, text: &str, why: &dyn Display) -> anyhow::Error {
    let shown: String = text.chars().take(40).collect();
    anyhow!(
        "{}: `{}` cannot be understood: {why}",
        path.display(),
        shown.escape_debug()
    )
}

/// Whether a file was not there: ENOENT, or ENODEV and ENXIO of a device that has gone.
fn is_gone(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| match error.raw_os_error() {
            Some(number) => {
                [nix::libc::ENOENT, nix::libc::ENODEV, nix::libc::ENXIO].contains(&number)
            }
            None => false,
        })
}

/// What `name` is sorted by: nvme2 before nvme10.
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

    #[test]
    fn numbers_in_names_are_sorted_by_their_value() {
        let mut names = ["nvme10n1", "nvme2n1", "md127", "md0", "nvme2n1p1"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["md0", "md127", "nvme2n1", "nvme2n1p1", "nvme10n1"]);
    }

    #[test]
    fn an_error_names_the_file_and_what_is_in_it() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("sys")).expect("sys");
        fs::write(folder.path().join("sys/number"), "12x\n").expect("a file");
        let host = Host::at(folder.path()).expect("a host");
        let error = host
            .value::<u64>("sys/number")
            .expect_err("12x is no number");
        assert!(error.to_string().contains("sys/number: `12x`"), "{error}");
        assert!(
            host.value_if::<u64>("sys/none")
                .expect("not there")
                .is_none()
        );
        let error = format!("{:#}", host.read("sys/none").expect_err("not there"));
        assert!(error.contains("sys/none: No such file"), "{error}");
    }
}
