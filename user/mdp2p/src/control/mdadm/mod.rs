// SPDX-License-Identifier: GPL-2.0
//! mdadm, run so that it talks to md-p2p.

pub mod namespace;
pub mod notes;

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use mdp2p_machine::programs::{command_line, exit_code, program};
use mdp2p_machine::sysroot::Sysroot;

use self::namespace::Namespace;
use crate::ui;

/// Where mdadm is.
///
/// # Errors
/// If it is nowhere.
pub fn find() -> Result<PathBuf> {
    program("mdadm").context(
        "mdadm is not found in PATH, /usr/sbin or /sbin: install the package mdadm; nothing was changed",
    )
}

/// Runs `mdadm` so that it talks to md-p2p, which is loaded; its exit status, or 128 and the
/// number of the signal that ended it. What it reads and prints is ours.
///
/// # Errors
/// If it cannot be run.
pub fn execute(sysroot: &Sysroot, mdadm: &Path, arguments: &[OsString]) -> Result<u8> {
    let mut command = Command::new(mdadm);
    command.args(arguments);
    let status = Namespace::of(sysroot, arguments)?.run(command)?;
    Ok(exit_code(status))
}

///
/// # Errors
/// If standard output takes no more.
pub fn print_instead(arguments: &[OsString]) -> Result<u8> {
    let words = std::iter::once(OsStr::new("mdadm")).chain(arguments.iter().map(AsRef::as_ref));
    writeln!(ui::out(), "{}", command_line(words))?;
    Ok(0)
}
