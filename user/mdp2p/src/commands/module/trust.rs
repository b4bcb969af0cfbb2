// SPDX-License-Identifier: GPL-2.0
//! Checks that nobody else could have changed a source of md-p2p that make is about to run.
//!
//! Tests: tests/module.rs.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mdp2p_machine::block::users;
use nix::sys::statfs::{self, FUSE_SUPER_MAGIC};
use nix::unistd::{Uid, User};

/// What make reads of a source.
const PARTS: [&str; 3] = ["kbuild", "kmod", "include"];

/// Every user may write to it.
const OTHERS: u32 = 0o002;
/// The users of a group may write to it.
const GROUP: u32 = 0o020;
/// Where mount(8) notes what the kernel does not know of a mount, such as the user who made it.
const MOUNTS: &str = "/run/mount/utab";
/// Nobody may rename or remove what somebody else put there.
const STICKY: u32 = 0o1000;

/// Checks that a source, what is in it and all folders above it belong to root, to us, or to the
/// user who called sudo, and that nobody else may write there.
///
/// # Errors
/// Names the first place where somebody else could write.
pub fn check(source: &Path) -> Result<()> {
    let mut check = Check {
        owners: owners(),
        users_mounts: users_mounts(&fs::read_to_string(MOUNTS).unwrap_or_default()),
        seen: HashSet::new(),
        source,
    };
    let real = fs::canonicalize(source).with_context(|| source.display().to_string())?;
    check.above(&real)?;
    check.entry(&real, 0)?;
    for part in PARTS {
        check.tree(&real.join(part))?;
    }
    Ok(())
}

/// Returns the users whose files we trust.
fn owners() -> Vec<u32> {
    let us = Uid::effective();
    let mut owners = vec![0, us.as_raw()];
    if us.is_root() {
        let caller = std::env::var("SUDO_UID").ok();
        owners.extend(caller.and_then(|uid| uid.parse::<u32>().ok()));
    }
    owners
}

/// Returns where users have mounted filesystems, from the text of `/run/mount/utab` (libmount).
fn users_mounts(text: &str) -> Vec<PathBuf> {
    let field = |line: &str, name: &str| {
        let mut words = line.split(' ').filter_map(|word| word.strip_prefix(name));
        words.next().map(users::unescape)
    };
    let by_user = |line: &&str| {
        let options = field(line, "OPTS=").unwrap_or_default();
        let mut names = options.split(',').filter_map(|it| it.split('=').next());
        // udisks and the like mount for users.
        names.any(|name| matches!(name, "user" | "uhelper"))
    };
    let lines = text.lines().filter(by_user);
    lines
        .filter_map(|line| field(line, "TARGET="))
        .map(PathBuf::from)
        .collect()
}

struct Check<'a> {
    owners: Vec<u32>,
    /// Where users have mounted filesystems, whose owners and modes are then theirs to choose.
    users_mounts: Vec<PathBuf>,
    /// The real paths of folders whose content has been checked.
    seen: HashSet<PathBuf>,
    /// The source as it was found, for the error.
    source: &'a Path,
}

impl Check<'_> {
    /// Checks the folders above a real path. Others may write to a sticky one, such as /tmp, because
    /// they cannot replace what they do not own.
    fn above(&self, path: &Path) -> Result<()> {
        for folder in path.ancestors().skip(1) {
            self.entry(folder, STICKY)?;
        }
        Ok(())
    }

    /// Checks a file or folder with all that is in it, and where links lead. What is in kbuild/build
    /// was made by those who may write to that folder.
    fn tree(&mut self, path: &Path) -> Result<()> {
        let metadata = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            metadata => metadata.with_context(|| path.display().to_string())?,
        };
        if metadata.is_symlink() {
            self.owner(path, &metadata)?;
            // A link that leads nowhere makes nothing run.
            let Ok(real) = fs::canonicalize(path) else {
                return Ok(());
            };
            self.above(&real)?;
            return self.tree(&real);
        }
        self.entry(path, 0)?;
        if !metadata.is_dir() || path.ends_with("kbuild/build") || !self.seen.insert(path.into()) {
            return Ok(());
        }
        let entries = fs::read_dir(path).with_context(|| path.display().to_string())?;
        for entry in entries {
            self.tree(&entry.with_context(|| path.display().to_string())?.path())?;
        }
        Ok(())
    }

    /// Checks one file or folder. Others may write to it if it has the mode bits `excuse`.
    fn entry(&self, path: &Path, excuse: u32) -> Result<()> {
        let metadata = fs::symlink_metadata(path).with_context(|| path.display().to_string())?;
        self.filesystem(path)?;
        self.owner(path, &metadata)?;
        let mode = metadata.mode();
        if mode & excuse != 0 {
            return Ok(());
        }
        if mode & OTHERS != 0 {
            return self.refuse(path, "every user may write to it");
        }
        if mode & GROUP != 0 {
            return self.refuse(path, "a group may write to it");
        }
        Ok(())
    }

    /// Checks that root has mounted the filesystem, so that its owners and modes are true.
    fn filesystem(&self, path: &Path) -> Result<()> {
        let shown = || path.display().to_string();
        let filesystem = statfs::statfs(path).with_context(shown)?;
        if filesystem.filesystem_type() == FUSE_SUPER_MAGIC {
            return self.refuse(path, "a program answers for its filesystem (FUSE)");
        }
        if let Some(mount) = self.users_mounts.iter().find(|it| path.starts_with(it)) {
            let why = format!("a user mounted the filesystem on {}", mount.display());
            return self.refuse(path, &why);
        }
        Ok(())
    }

    fn owner(&self, path: &Path, metadata: &Metadata) -> Result<()> {
        let owner = metadata.uid();
        if self.owners.contains(&owner) {
            return Ok(());
        }
        let name = User::from_uid(Uid::from_raw(owner)).ok().flatten();
        let name = name.map_or_else(|| owner.to_string(), |user| user.name);
        self.refuse(path, &format!("it belongs to user {name}"))
    }

    fn refuse(&self, path: &Path, why: &str) -> Result<()> {
        bail!(
            "{}: somebody else could change what would be built from here, because {why}; if you \
             trust it, name the source: --source {}; nothing was built",
            path.display(),
            self.source.display()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks a folder of ours on a machine with these mounts.
    fn checked(utab: &str, path: &Path) -> String {
        let check = Check {
            owners: owners(),
            users_mounts: users_mounts(utab),
            seen: HashSet::new(),
            source: path,
        };
        let checked = check.entry(path, OTHERS | GROUP);
        checked.map_or_else(|error| error.to_string(), |()| "fine".into())
    }

    #[test]
    fn what_a_user_has_mounted_is_not_trusted() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("my stick/md-p2p");
        fs::create_dir_all(&path).expect("a folder");
        let target = folder.path().display().to_string() + r"/my\040stick";
        for (options, trusted) in [
            ("uhelper=udisks2", false),
            ("user=eve", false),
            ("_netdev,user=eve", false),
            ("_netdev", true),
            ("x-userspace=1", true),
        ] {
            let utab = format!("ID=40 SRC=/dev/sdb1 TARGET={target} ROOT=/ OPTS={options}\n");
            let said = checked(&utab, &path);
            assert_eq!(said == "fine", trusted, "{options}: {said}");
            assert!(trusted || said.contains("my stick"), "{said}");
        }
        let utab = format!("SRC=/dev/sdb1 TARGET={target}2 OPTS=user=eve\n");
        assert_eq!(checked(&utab, &path), "fine");
    }
}
