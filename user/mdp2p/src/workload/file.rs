// SPDX-License-Identifier: GPL-2.0
//! Opens what data are moved to and from: the node of the array, or a new file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, OFlag, fallocate, fcntl};
use nix::sys::stat::{major, minor};

use crate::ui;
use mdp2p_machine::block::users;
use mdp2p_machine::md::array::Array;
use mdp2p_machine::sysroot::Sysroot;

/// Returns the path of the array's node in `/dev`.
pub(super) fn node(sysroot: &Sysroot, array: &Array) -> PathBuf {
    sysroot.path(format!("dev/{}", array.name))
}

/// Opens the array's node, after a check that it is really the array.
pub(super) fn open(sysroot: &Sysroot, array: &Array, options: &mut OpenOptions) -> Result<File> {
    let path = node(sysroot, array);
    let opened =
        options
            .open(&path)
            .map_err(|error| match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::EBUSY) => anyhow!(
                    "{} is in use, but the kernel does not say by whom; it is not overwritten",
                    path.display()
                ),
                _ => with_remedy(anyhow::Error::new(error).context(path.display().to_string())),
            });
    let file = opened?;
    let metadata = file.metadata()?;
    let device = (major(metadata.rdev()), minor(metadata.rdev()));
    let is_array =
        metadata.file_type().is_block_device() && device == users::number(sysroot, &array.name)?;
    if sysroot.is_here() && !is_array {
        bail!(
            "{} is not {}; udev may still be at work: try again",
            path.display(),
            array.name
        );
    }
    Ok(file)
}

/// Creates a file of `bytes` and unlinks it, so that the kernel removes it when we end.
pub(super) fn create(path: &Path, options: &OpenOptions, bytes: u64) -> Result<File> {
    let name = || path.display().to_string();
    let file = options.open(path).with_context(name).map_err(with_remedy)?;
    fs::remove_file(path)
        .with_context(|| format!("{} was created but cannot be removed", path.display()))?;
    // Sets O_DIRECT only now: if the filesystem lacks it, open() creates the file and then fails.
    match fcntl(&file, FcntlArg::F_SETFL(OFlag::O_DIRECT)) {
        Err(Errno::EINVAL) => bail!(
            "{}: no O_DIRECT in this filesystem, but peer memory needs it",
            path.display()
        ),
        done => done.with_context(name)?,
    };
    let length = i64::try_from(bytes)?;
    match fallocate(&file, FallocateFlags::empty(), 0, length) {
        // Not every filesystem can preallocate.
        Ok(()) | Err(Errno::EOPNOTSUPP) => file.set_len(bytes).with_context(name)?,
        Err(Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG) => bail!(
            "{}: no room for {}; a smaller file may fit",
            path.display(),
            ui::bytes(bytes)
        ),
        Err(errno) => return Err(errno).with_context(name),
    }
    Ok(file)
}

/// Adds what to do to `error` if permission was denied.
pub fn with_remedy(error: anyhow::Error) -> anyhow::Error {
    let is_denied = |cause: &(dyn std::error::Error + 'static)| {
        let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        kind == Some(ErrorKind::PermissionDenied)
            || matches!(
                cause.downcast_ref::<Errno>(),
                Some(Errno::EACCES | Errno::EPERM)
            )
    };
    match error.chain().any(is_denied) {
        true => anyhow!("{error:#}; this needs root: run mdp2p with sudo"),
        false => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denied_user_is_advised_to_become_root() {
        let denied = io::Error::from_raw_os_error(nix::libc::EACCES);
        let error = with_remedy(anyhow::Error::new(denied).context("/dev/md0"));
        let text = error.to_string();
        assert!(text.starts_with("/dev/md0: Permission denied"), "{text}");
        assert!(
            text.ends_with("this needs root: run mdp2p with sudo"),
            "{text}"
        );
        let other = with_remedy(anyhow!("something else"));
        assert_eq!(other.to_string(), "something else");
    }
}
