// SPDX-License-Identifier: GPL-2.0
//! Writes files of the machine.
//!
//! Tests: those of control/enrolled.rs.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use tempfile::NamedTempFile;

/// Replaces a file, and makes the folders above it. A reader sees either the old content or the
/// new.
///
/// # Errors
/// Names the path if it cannot be written.
pub fn replace(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().context("a folder")?;
    let put = || {
        fs::create_dir_all(folder)?;
        let mut file = NamedTempFile::with_prefix_in(".", folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file()
            .set_permissions(PermissionsExt::from_mode(0o644))?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        File::open(folder)?.sync_all()
    };
    put().with_context(|| path.display().to_string())
}
