// SPDX-License-Identifier: GPL-2.0
//! Finds the source of md-p2p.
//!
//! Tests: tests/module.rs.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mdp2p_machine::sysroot::{Sysroot, natural};

/// Finds the source of md-p2p: the folder that was named; else the newest `/usr/src/md-p2p-*`; else
/// the current folder or one above it.
pub fn find_source(sysroot: &Sysroot, named: Option<&Path>) -> Result<PathBuf> {
    let is_source = |folder: &Path| {
        folder.join("kbuild/Makefile").is_file() && folder.join("kbuild/stages").is_dir()
    };
    if let Some(folder) = named {
        if !is_source(folder) {
            bail!(
                "{}: not the source of md-p2p, because it has no kbuild/Makefile",
                folder.display()
            );
        }
        return Ok(folder.to_owned());
    }
    let mut names = sysroot.names("usr/src")?;
    names.sort_by_key(|name| natural(name));
    let installed = names
        .iter()
        .rev()
        .filter(|name| name.starts_with("md-p2p-"))
        .map(|name| sysroot.path("usr/src").join(name))
        .find(|folder| is_source(folder));
    if let Some(folder) = installed {
        return Ok(folder);
    }
    if !sysroot.is_here() {
        bail!(
            "there is no source of md-p2p in /usr/src/md-p2p-*; name its folder: --source FOLDER"
        );
    }
    let here = env::current_dir().context("the current folder is gone")?;
    let above = here.ancestors().find(|folder| is_source(folder));
    above.map(Path::to_owned).with_context(|| {
        format!(
            "there is no source of md-p2p in /usr/src/md-p2p-*, nor in {} or above it; \
             name its folder: --source FOLDER",
            here.display()
        )
    })
}
