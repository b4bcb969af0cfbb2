// SPDX-License-Identifier: GPL-2.0
//! The files of a machine in an archive: `mdp2p capture` writes it, and `--sysroot` reads it.
//!
//! An archive may come from a stranger, so nothing in it is written outside of a folder of our own,
//! and it has limits.
//!
//! Tests: tests/capture.rs.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use liblzma::read::XzDecoder;
use liblzma::stream::Stream;
use liblzma::write::XzEncoder;
use mdp2p_machine::capture::Entry;
use mdp2p_machine::text;
use tar::{Archive, Builder, EntryType, Header};
use tempfile::TempDir;

use crate::signals::Held;

/// The most that an archive may hold. A machine with a thousand drives has a tenth of it.
const MOST_BYTES: u64 = 256 << 20;
/// The most entries, with the folders that are above them.
const MOST_ENTRIES: usize = 500_000;

/// The longest path, as the kernel takes it (PATH_MAX).
const LONGEST: usize = 4096;

/// The memory that unpacking may take.
const MEMORY: u64 = 128 << 20;

/// Writes files and links into an archive.
///
/// # Errors
/// Fails if it cannot be written.
pub fn pack(to: impl Write, entries: &BTreeMap<PathBuf, Entry>) -> io::Result<()> {
    let mut tar = Builder::new(XzEncoder::new(to, 6));
    for (path, entry) in entries {
        let path = text::original(&path.to_string_lossy()).into_owned();
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(0);
        match entry {
            Entry::File(content) => {
                header.set_size(content.len() as u64);
                tar.append_data(&mut header, path, &content[..])?;
            }
            Entry::Link(target) => {
                header.set_entry_type(EntryType::Symlink);
                let target = text::original(&target.to_string_lossy()).into_owned();
                tar.append_link(&mut header, path, target)?;
            }
            Entry::Folder => {
                header.set_mode(0o755);
                header.set_entry_type(EntryType::Directory);
                tar.append_data(&mut header, path, io::empty())?;
            }
        }
    }
    tar.into_inner()?.finish()?;
    Ok(())
}

/// Unpacks an archive into a folder that only we can read, and that vanishes with what is returned.
/// A signal that arrives meanwhile ends the program, and the folder with it.
///
/// # Errors
/// Says what in the archive is not as `mdp2p capture` writes it.
pub fn unpack(file: &Path, held: Held) -> Result<(TempDir, Held)> {
    let folder = tempfile::Builder::new().prefix("mdp2p-").tempdir();
    let folder = folder.context("a folder to unpack into")?;
    let signal = Cell::new(None);
    let go_on = || {
        signal.set(held.arrived());
        signal.get().is_none()
    };
    let unpacked = File::open(file)
        .map_err(anyhow::Error::from)
        .and_then(|file| unpack_at_most(MOST_ENTRIES, folder.path(), file, &go_on));
    if let Some(signal) = signal.get() {
        drop(folder);
        held.obey(signal);
        bail!("{}: {signal} has ended that", file.display());
    }
    unpacked.with_context(|| {
        format!(
            "{}: not an archive that `mdp2p capture` has written",
            file.display()
        )
    })?;
    Ok((folder, held))
}

/// Unpacks what is read into an empty folder.
///
/// # Errors
/// Says what in the archive is not as `mdp2p capture` writes it.
pub fn unpack_into(folder: &Path, from: impl Read) -> Result<()> {
    unpack_at_most(MOST_ENTRIES, folder, from, &|| true)
}

/// Unpacks at most so many entries, or until it is not to `go_on`.
fn unpack_at_most(
    most: usize,
    folder: &Path,
    from: impl Read,
    go_on: &dyn Fn() -> bool,
) -> Result<()> {
    let stream = Stream::new_stream_decoder(MEMORY, 0)?;
    // No entry can be larger, and no header can claim so.
    let from = XzDecoder::new_stream(from, stream).take(MOST_BYTES);
    let mut links = BTreeMap::new();
    let mut folders = BTreeSet::new();
    for (number, entry) in Archive::new(from).entries()?.enumerate() {
        if !go_on() {
            return Ok(());
        }
        let mut entry = entry?;
        let link = entry.link_name_bytes().map_or(0, |it| it.len());
        if entry.path_bytes().len().max(link) > LONGEST {
            bail!("a name in it has more than {LONGEST} bytes");
        }
        let path = below(&entry.path()?)?;
        let shown = path.display().to_string();
        let above = path.ancestors().skip(1);
        folders.extend(
            above
                .take_while(|it| !folders.contains(*it))
                .map(Path::to_owned)
                .collect::<Vec<_>>(),
        );
        if number + folders.len() > most {
            bail!("it has more than {most} entries and folders");
        }
        match entry.header().entry_type() {
            EntryType::Directory => {
                fs::create_dir_all(folder.join(&path)).context(shown)?;
            }
            EntryType::Regular => {
                let to = folder.join(&path);
                fs::create_dir_all(to.parent().unwrap_or(folder)).context(shown.clone())?;
                let mut to = File::create_new(to).context(shown.clone())?;
                io::copy(&mut entry, &mut to).context(shown)?;
            }
            EntryType::Symlink => {
                let target = entry.link_name()?.context(shown)?.into_owned();
                links.insert(path, target);
            }
            _ => bail!("{shown} is neither a file nor a folder nor a link"),
        }
    }
    // Links come last, and none lies behind another, so that nothing was or is written through one.
    for (path, target) in &links {
        if !go_on() {
            return Ok(());
        }
        let above = path.ancestors().skip(1);
        if let Some(link) = above.clone().find(|above| links.contains_key(*above)) {
            bail!("{} lies behind the link {}", path.display(), link.display());
        }
        let link = folder.join(path);
        fs::create_dir_all(link.parent().unwrap_or(folder))?;
        symlink(target, link).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// Returns a path if it leads nowhere but below.
fn below(path: &Path) -> Result<PathBuf> {
    let parts = path.components().filter(|part| *part != Component::CurDir);
    if parts
        .clone()
        .any(|part| !matches!(part, Component::Normal(_)))
    {
        bail!("{} leads out of the archive", path.display());
    }
    match parts.clone().count() {
        0..=64 => Ok(parts.collect()),
        _ => bail!("a path has more than 64 folders"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_above_entries_count_too() {
        let mut packed = Vec::new();
        let file = |number: u32| PathBuf::from(format!("{number}/a/b/c/file"));
        let entries = (0..10).map(|number| (file(number), Entry::File(Vec::new())));
        pack(&mut packed, &entries.collect()).expect("an archive");
        for (most, fits) in [(60, true), (40, false)] {
            let folder = tempfile::tempdir().expect("a folder");
            let unpacked = unpack_at_most(most, folder.path(), &packed[..], &|| true);
            assert_eq!(unpacked.is_ok(), fits, "{most}: {unpacked:?}");
        }
    }
}
