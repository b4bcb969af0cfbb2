// SPDX-License-Identifier: GPL-2.0
//! `mdp2p capture`: takes what the other commands read of a machine into a file.
//!
//! Tests: tests/capture.rs.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use mdp2p_machine::capture::{self, Entry};
use mdp2p_machine::sysroot::Sysroot;
use mdp2p_machine::text;
use tempfile::NamedTempFile;

use crate::archive;
use crate::command::Command;
use crate::ui;

/// `mdp2p capture`
#[derive(Args, Debug)]
#[command(after_help = "\
The file has what mdp2p reads of sys, proc, dev and a few other folders. It has no serial number, no \
UUID, no mount point, and no name that somebody chose; the same name gets the same other name. All of \
config space and of ACS needs root.

Examples:
  sudo mdp2p capture machine.tar.xz
  mdp2p capture --dry-run machine.tar.xz
  mdp2p --sysroot machine.tar.xz topology")]
pub struct Capture {
    /// The file to write, such as machine.tar.xz; - is standard output
    pub file: PathBuf,
    /// Keep the serial numbers of drives and devices
    #[arg(long)]
    pub with_serials: bool,
    /// Replace the file if it exists
    #[arg(long)]
    pub overwrite: bool,
    /// List what would be taken, and write nothing
    #[arg(long)]
    pub dry_run: bool,
}

impl Command for Capture {
    fn changes(&self) -> bool {
        // It writes a file, but changes nothing of the machine.
        false
    }

    fn tolerates(&self) -> bool {
        true
    }

    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        if !self.dry_run && self.file != Path::new("-") {
            self.check_target()?;
        }
        let entries = capture::take(sysroot, self.with_serials)?;
        let mut out = ui::out();
        if self.dry_run {
            for (path, entry) in &entries {
                match entry {
                    Entry::File(content) => {
                        writeln!(
                            out,
                            "{}  {}",
                            path.display(),
                            ui::bytes(content.len() as u64)
                        )?;
                    }
                    Entry::Link(target) => {
                        writeln!(out, "{} -> {}", path.display(), target.display())?;
                    }
                    Entry::Folder => writeln!(out, "{}/", path.display())?,
                }
            }
            return Ok(0);
        }
        let shown = || self.file.display().to_string();
        let mut packed = Vec::new();
        archive::pack(&mut packed, &entries)?;
        if self.file == Path::new("-") {
            if ui::is_terminal() {
                bail!("-: an archive is nothing for a terminal; name a file, or a pipe");
            }
            let mut out = io::stdout();
            out.write_all(&packed).map_err(ui::named)?;
            out.flush().map_err(ui::named)?;
            return Ok(0);
        }
        self.write(&packed)?;
        if ui::is_terminal() {
            let files = ui::count(entries.len(), "file");
            writeln!(
                out,
                "{}: {files}; look at them before you send it: tar tf",
                text::shown(&shown())
            )?;
        }
        Ok(0)
    }
}

impl Capture {
    /// Checks that there is no file, or one that may be replaced. A device would be gone.
    fn check_target(&self) -> Result<()> {
        let shown = self.file.display();
        let Ok(there) = self.file.symlink_metadata() else {
            return Ok(());
        };
        if !there.is_file() {
            bail!("{shown}: it is no regular file, and would be replaced; name another");
        }
        if !self.overwrite {
            bail!("{shown}: it exists; name another file, or add --overwrite");
        }
        Ok(())
    }

    /// Writes the file at once, so that it is never half there. Only its owner can read it.
    fn write(&self, packed: &[u8]) -> Result<()> {
        let folder = match self.file.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let made = NamedTempFile::new_in(folder);
        let mut made = made.with_context(|| folder.display().to_string())?;
        made.write_all(packed)
            .with_context(|| self.file.display().to_string())?;
        let kept = match self.overwrite {
            true => made.persist(&self.file),
            false => made.persist_noclobber(&self.file),
        };
        kept.map_err(|error| error.error)
            .with_context(|| self.file.display().to_string())?;
        Ok(())
    }
}
