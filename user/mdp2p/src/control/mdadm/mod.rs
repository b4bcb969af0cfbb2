// SPDX-License-Identifier: GPL-2.0
//! Runs mdadm so that it talks to md-p2p.
//!
//! Tests: tests/mdadm.rs.

pub mod namespace;
pub mod notes;

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use mdp2p_machine::programs::{command_line, exit_code, program};
use mdp2p_machine::sysroot::Sysroot;

use self::namespace::Namespace;
use crate::ui;

/// Finds mdadm.
///
/// # Errors
/// Says what to install if mdadm is not there.
pub fn find() -> Result<PathBuf> {
    program("mdadm").context(
        "mdadm is not found in PATH, /usr/sbin or /sbin: install the package mdadm; nothing was changed",
    )
}

/// Runs mdadm so that it talks to md-p2p, which must be loaded. mdadm inherits standard input and
/// output. Returns its exit status, or 128 plus the number of the signal that killed it.
///
/// # Errors
/// Fails if mdadm cannot be run.
pub fn execute(sysroot: &Sysroot, mdadm: &Path, arguments: &[OsString]) -> Result<u8> {
    let mut command = Command::new(mdadm);
    command.args(arguments);
    let status = Namespace::of(sysroot, arguments)?.run(command)?;
    Ok(exit_code(status))
}

/// Runs mdadm like [`execute`].
///
/// # Errors
/// Fails also if mdadm does, which has said why.
pub fn succeed(sysroot: &Sysroot, mdadm: &Path, arguments: &[OsString]) -> Result<()> {
    match execute(sysroot, mdadm, arguments)? {
        0 => Ok(()),
        status => bail!("mdadm ended with status {status}; its messages say why, and what it did"),
    }
}

/// Prints the command line of mdadm instead of running it: `--dry-run`.
///
/// # Errors
/// Fails if standard output cannot be written.
pub fn print_instead(arguments: &[OsString]) -> Result<u8> {
    let words = std::iter::once(OsStr::new("mdadm")).chain(arguments.iter().map(AsRef::as_ref));
    writeln!(ui::out(), "{}", command_line(words))?;
    Ok(0)
}
