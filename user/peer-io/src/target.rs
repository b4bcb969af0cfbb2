// SPDX-License-Identifier: GPL-2.0
//! A block device or a file for direct I/O, and the ways in which that I/O can fail.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc::O_DIRECT;
use serde::Serialize;

use crate::memory::Buffer;

/// What is done with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// It is read.
    Read,
    /// It is written.
    Write,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Operation::Read => "read",
            Operation::Write => "write",
        })
    }
}

/// A block device or a file, opened for I/O that bypasses all caches.
#[derive(Debug)]
pub struct Target {
    path: PathBuf,
    file: File,
}

impl Target {
    /// Opens a target for reading.
    pub fn source(path: &Path) -> Result<Self> {
        Self::open(path, OpenOptions::new().read(true))
    }

    /// Opens an existing target for writing.
    pub fn sink(path: &Path) -> Result<Self> {
        Self::open(path, OpenOptions::new().write(true))
    }

    /// Opens a target for reading and writing.
    pub fn both(path: &Path) -> Result<Self> {
        Self::open(path, OpenOptions::new().read(true).write(true))
    }

    fn open(path: &Path, options: &mut OpenOptions) -> Result<Self> {
        let file = options
            .custom_flags(O_DIRECT)
            .open(path)
            .map_err(
                |error| match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
                    Errno::EINVAL => anyhow::anyhow!("EINVAL: no O_DIRECT in this file system"),
                    errno => anyhow::anyhow!("{errno:?}: {}", errno.desc()),
                },
            )
            .with_context(|| format!("opening {}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }

    /// Wraps a file that was opened with `O_DIRECT`; `path` is its name in messages.
    pub fn of(path: &Path, file: File) -> Self {
        let path = path.to_owned();
        Self { path, file }
    }

    /// Returns the size in bytes.
    pub fn size(&self) -> Result<u64> {
        (&self.file)
            .seek(SeekFrom::End(0))
            .with_context(|| format!("the size of {}", self.path.display()))
    }

    /// Reads a block into `buffer`, which is marked first: so a part that is not overwritten is
    /// noticed, whatever the buffer held.
    pub fn read(&self, buffer: &mut Buffer, offset: u64, length: usize) -> Result<(), Failure> {
        buffer.mark(length);
        self.read_unmarked(buffer, offset, length)
    }

    /// Like [`read`](Self::read), but without marks: the CPU does not touch the buffer, which would
    /// take longer than the read itself.
    pub fn read_unmarked(
        &self,
        buffer: &mut Buffer,
        offset: u64,
        length: usize,
    ) -> Result<(), Failure> {
        let done = buffer.read_at(&self.file, offset, length);
        self.completed("read", offset, length, done)
    }

    /// Writes a block from `buffer`.
    pub fn write(&self, buffer: &Buffer, offset: u64, length: usize) -> Result<(), Failure> {
        let done = buffer.write_at(&self.file, offset, length);
        self.completed("write", offset, length, done)
    }

    fn completed(
        &self,
        action: &'static str,
        offset: u64,
        length: usize,
        done: io::Result<usize>,
    ) -> Result<(), Failure> {
        let why = match done {
            Ok(done) if done == length => return Ok(()),
            Ok(done) => Why::Short(done),
            Err(error) => Why::Errno(Errno::from_raw(error.raw_os_error().unwrap_or(0))),
        };
        Err(Failure::new(action, &self.path, offset, length, why))
    }
}

/// An I/O that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    action: &'static str,
    path: PathBuf,
    offset: u64,
    length: usize,
    /// Why it failed.
    pub why: Why,
}

/// The ways in which an I/O can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The kernel's error.
    Errno(Errno),
    /// The I/O was short: only so many bytes were moved.
    Short(usize),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            action,
            path,
            offset,
            length,
            why,
        } = self;
        let path = path.display();
        write!(f, "{action} of {length} bytes at {offset} of {path}: ")?;
        match why {
            Why::Errno(errno) => {
                write!(f, "{errno:?} ({}): {}", *errno as i32, errno.desc())
            }
            Why::Short(done) => write!(f, "short: {done} bytes only"),
        }
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// Describes a failed `action` of `length` bytes at `offset` of `path`.
    pub fn new(action: &'static str, path: &Path, offset: u64, length: usize, why: Why) -> Self {
        Self {
            action,
            path: path.to_owned(),
            offset,
            length,
            why,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_was_tried_and_where() {
        let failure = |why| Failure {
            action: "write",
            path: "/dev/md0".into(),
            offset: 65536,
            length: 4096,
            why,
        };
        assert_eq!(
            failure(Why::Errno(Errno::EREMOTEIO)).to_string(),
            "write of 4096 bytes at 65536 of /dev/md0: EREMOTEIO (121): Remote I/O error"
        );
        assert_eq!(
            failure(Why::Short(512)).to_string(),
            "write of 4096 bytes at 65536 of /dev/md0: short: 512 bytes only"
        );
    }
}
