// SPDX-License-Identifier: GPL-2.0
//! Checks that nobody else could have changed a source of md-p2p that make is about to run.
//!
//! Tests: tests/module.rs.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

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
/// Where the filesystems are listed that can be mounted.
const FSTAB: &str = "/etc/fstab";
/// The most links that one path may lead through, as the kernel has it.
const MOST_LINKS: u32 = 40;
/// Nobody may rename or remove what somebody else put there.
const STICKY: u32 = 0o1000;

/// Checks that a source, what is in it and all folders above it belong to root, to us, or to the
/// user who called sudo, and that nobody else may write there.
///
/// # Errors
/// Names the first place where somebody else could write.
pub fn check(source: &Path) -> Result<()> {
    let mut check = Check::new(source);
    let here = std::env::current_dir().context("the working folder")?;
    let Some(real) = check.walk(&here.join(source), 0)? else {
        bail!("{}: it does not exist", source.display());
    };
    check.entry(&real, 0)?;
    if real.join("kbuild").is_symlink() {
        let why = "it is a link, and make would take the rest from beside its target";
        return check.refuse(&real.join("kbuild"), why);
    }
    for part in PARTS {
        check.tree(&real.join(part))?;
    }
    Ok(())
}

/// Checks a folder that make writes to, and then runs what lies in it. It may not exist yet.
///
/// # Errors
/// Names the place where somebody else could write, or make the folder first.
pub fn check_folder(folder: &Path) -> Result<()> {
    let check = Check {
        is_source: false,
        ..Check::new(folder)
    };
    let here = std::env::current_dir().context("the working folder")?;
    match check.walk(&here.join(folder), 0)? {
        Some(real) => check.entry(&real, 0),
        None => Ok(()),
    }
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

/// Returns the folders on which users may mount something, from the text of `/etc/fstab`: mount(8)
/// does not always note who did.
fn mounts_for_users(text: &str) -> Vec<PathBuf> {
    const FOR_USERS: [&str; 4] = ["user", "users", "owner", "group"];
    let target = |line: &str| {
        let mut fields = line.split_whitespace();
        let target = fields
            .nth(1)
            .filter(|_| !line.trim_start().starts_with('#'))?;
        let mut options = fields.nth(1)?.split(',');
        let for_users = options.any(|it| FOR_USERS.contains(&it));
        for_users.then(|| PathBuf::from(users::unescape(target)))
    };
    text.lines().filter_map(target).collect()
}

struct Check<'a> {
    owners: Vec<u32>,
    /// Where users have mounted filesystems, whose owners and modes are then theirs to choose.
    users_mounts: Vec<PathBuf>,
    /// The real paths of folders whose content has been checked.
    seen: HashSet<PathBuf>,
    /// The source as it was found, for the error.
    source: &'a Path,
    /// Whether it is a source, and not a folder that make writes to.
    is_source: bool,
}

impl<'a> Check<'a> {
    fn new(source: &'a Path) -> Self {
        let text = |file| fs::read_to_string(file).unwrap_or_default();
        let mut users_mounts = users_mounts(&text(MOUNTS));
        users_mounts.extend(mounts_for_users(&text(FSTAB)));
        Self {
            owners: owners(),
            users_mounts,
            seen: HashSet::new(),
            source,
            is_source: true,
        }
    }

    /// Returns the real path of an absolute one, after a check of all folders and links on the way.
    /// Others may write to a sticky folder, such as /tmp, because they cannot replace what they do
    /// not own. Returns `None` if there is no such file, and nobody else can make it.
    fn walk(&self, path: &Path, links: u32) -> Result<Option<PathBuf>> {
        if links > MOST_LINKS {
            bail!("{}: too many links", path.display());
        }
        let mut real = PathBuf::from("/");
        for part in path.components() {
            let name = match part {
                Component::Normal(name) => name,
                Component::ParentDir => {
                    real.pop();
                    continue;
                }
                _ => continue,
            };
            self.entry(&real, STICKY)?;
            let next = real.join(name);
            let metadata = match fs::symlink_metadata(&next) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return self.entry(&real, 0).map(|()| None);
                }
                metadata => metadata.with_context(|| next.display().to_string())?,
            };
            real = match metadata.is_symlink() {
                false => next,
                true => {
                    self.owner(&next, &metadata)?;
                    let target =
                        fs::read_link(&next).with_context(|| next.display().to_string())?;
                    match self.walk(&real.join(target), links + 1)? {
                        Some(real) => real,
                        None => return Ok(None),
                    }
                }
            };
        }
        Ok(Some(real))
    }

    /// Checks a file or folder with all that is in it, and where links lead. What is in kbuild/build
    /// was made by those who may write to that folder.
    fn tree(&mut self, path: &Path) -> Result<()> {
        let metadata = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            metadata => metadata.with_context(|| path.display().to_string())?,
        };
        if metadata.is_symlink() {
            return match self.walk(path, 0)? {
                Some(real) => self.tree(&real),
                // A link that leads nowhere makes nothing run.
                None => Ok(()),
            };
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
        let what_to_do = match self.is_source {
            true => format!(
                "if you trust it, name the source: --source {}",
                self.source.display()
            ),
            false => "name a folder that only you can write to".to_owned(),
        };
        bail!(
            "{}: somebody else could change what would be built here, because {why}; {what_to_do}; \
             nothing was built",
            path.display()
        )
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Checks a folder of ours on a machine with these mounts.
    fn checked(utab: &str, path: &Path) -> String {
        let check = Check {
            users_mounts: users_mounts(utab),
            ..Check::new(path)
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

    #[test]
    fn where_users_may_mount_is_not_trusted() {
        let fstab = "# /dev/a /a ext4 users 0 0\n/dev/b /b ext4 noauto,users 0 0\n\n\
                     /dev/c\t/c\\040c\text4\towner\n/dev/d /d ext4 defaults,usrquota\n";
        assert_eq!(
            mounts_for_users(fstab),
            [Path::new("/b"), Path::new("/c c")]
        );
    }

    #[test]
    fn all_links_of_a_path_are_looked_at() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("real/kbuild")).expect("a folder");
        let said = |path: &Path| match Check::new(path).walk(path, 0) {
            Ok(Some(real)) => format!("{}", real.display()),
            Ok(None) => "none".into(),
            Err(error) => error.to_string(),
        };
        symlink(at("real"), at("second")).expect("a link");
        symlink("second", at("first")).expect("a link");
        symlink("round", at("round")).expect("a link");
        symlink(at("nowhere"), at("dangling")).expect("a link");
        symlink("/tmp/nobody-has-made-this", at("open")).expect("a link");
        let real = fs::canonicalize(at("real")).expect("a path");
        assert_eq!(said(&at("first")), real.display().to_string());
        assert!(said(&at("round")).contains("too many links"));
        assert_eq!(said(&at("dangling")), "none");
        // Everybody could make it.
        assert!(
            said(&at("open")).contains("every user may write"),
            "{}",
            said(&at("open"))
        );
        if !Uid::effective().is_root() {
            return;
        }
        std::os::unix::fs::lchown(at("second"), Some(12345), None).expect("an owner");
        assert!(said(&at("first")).contains("belongs to user 12345"));
    }
}
