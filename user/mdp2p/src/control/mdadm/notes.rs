// SPDX-License-Identifier: GPL-2.0
//! mdadm's notes about its arrays. Beside the kernel's md, the arrays of md-p2p have notes of their
//! own.
//!
//! Tests: below, and tests/mdadm.rs.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use mdp2p_machine::sysroot::Sysroot;
use nix::fcntl::{Flock, FlockArg};

use crate::control::file;

/// The folder where mdadm notes the names of its arrays, and which array it is about to make.
pub const NOTES: &str = "run/mdadm";

/// The map: a line `md0 1.2 UUID /dev/md/data` for each array.
pub const MAP: &str = "run/mdadm/map";

/// The folder for the arrays of md-p2p, beside the kernel's md.
pub const OUR_NOTES: &str = "run/md-p2p/mdadm";

/// The map for the arrays of md-p2p.
pub const OUR_MAP: &str = "run/md-p2p/mdadm/map";

/// Makes the folder for the notes, and copies those about arrays that were made while md-p2p was
/// alone.
pub fn prepare_notes(sysroot: &Sysroot) -> Result<()> {
    for folder in [OUR_NOTES, NOTES].map(|folder| sysroot.path(folder)) {
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    let merged = || {
        let ours = sysroot.lines_if(OUR_MAP)?;
        let theirs = sysroot.lines_if(MAP)?.unwrap_or_default();
        anyhow::Ok(merged_map(sysroot, ours.as_deref(), &theirs))
    };
    if merged()?.is_none() {
        return Ok(());
    }
    let path = sysroot.path(OUR_NOTES).join("map.lock");
    let lock = lock_map(&path)?;
    if let Some(map) = merged()? {
        file::replace(&sysroot.path(OUR_MAP), &map)?;
    }
    // A process that waits for this lock sees that its file is gone, and takes a new one.
    fs::remove_file(&path).with_context(|| path.display().to_string())?;
    drop(lock);
    Ok(())
}

/// Adds the lines of the other map that are about our arrays to our map. Returns `None` if there is
/// nothing to add. Without a map, mdadm would make one of all arrays that it sees.
fn merged_map(sysroot: &Sysroot, ours: Option<&str>, theirs: &str) -> Option<String> {
    let name = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let is_new = |line: &&str| {
        let Some(name_of_it) = name(line) else {
            return false;
        };
        let is_there = ours.is_some_and(|map| {
            map.lines()
                .any(|line| name(line).as_ref() == Some(&name_of_it))
        });
        !is_there && sysroot.has(format!("sys/block/{name_of_it}/md/p2pdma_state"))
    };
    let new: Vec<&str> = theirs.lines().filter(is_new).collect();
    if new.is_empty() && ours.is_some() {
        return None;
    }
    let lines = ours.unwrap_or_default().lines().chain(new);
    Some(lines.map(|line| format!("{line}\n")).collect())
}

/// Locks the map as mdadm does.
fn lock_map(path: &Path) -> Result<Flock<File>> {
    loop {
        let file = File::create(path).with_context(|| path.display().to_string())?;
        let lock = Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, errno)| anyhow!("{}: {}", path.display(), errno.desc()))?;
        if lock.metadata().context("the lock of mdadm's map")?.nlink() > 0 {
            return Ok(lock);
        }
    }
}

#[cfg(test)]
mod tests {
    use mdp2p_machine::testing::put;

    use super::*;

    #[test]
    fn what_was_noted_while_md_p2p_was_alone_is_taken_along() {
        let root = tempfile::tempdir().expect("a folder");
        put(root.path(), "sys/block/md1/md/p2pdma_state", "");
        put(root.path(), "sys/block/md0/md/level", "");
        let sysroot = Sysroot::at(root.path()).expect("a host");
        let (ours, theirs) = ("md1 1.2 1:2:3:4 /dev/md/a\n", "md0 1.2 5:6:7:8 /dev/md/b\n");
        put(root.path(), "run/mdadm/map", &format!("{theirs}{ours}"));
        let map = || {
            prepare_notes(&sysroot).expect("notes");
            fs::read_to_string(sysroot.path(OUR_MAP)).expect("a map")
        };
        assert_eq!(map(), ours);
        let changed = "md1 1.2 1:2:3:4 /dev/md/c\n";
        put(root.path(), OUR_MAP, changed);
        assert_eq!(map(), changed);
        put(root.path(), "sys/block/md2/md/p2pdma_state", "");
        let other = "md2 1.2 1:2:3:5 /dev/md/d\n";
        put(root.path(), MAP, &format!("{other}{theirs}"));
        assert_eq!(map(), format!("{changed}{other}"));
    }
}
