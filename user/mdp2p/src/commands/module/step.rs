// SPDX-License-Identifier: GPL-2.0
//! A command that `mdp2p module` shows, and runs unless this is a dry run.
//!
//! Tests: below, and tests/module.rs.

use std::ffi::OsString;
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, Result, bail};
use mdp2p_machine::programs;

use crate::ui;

/// A command that inherits standard input and output.
#[derive(Debug)]
pub struct Step {
    pub program: OsString,
    pub arguments: Vec<OsString>,
    /// The Debian package of the program; empty if the program is an absolute path.
    pub package: &'static str,
}

impl fmt::Display for Step {
    /// Writes the command as it would be typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = std::iter::once(&self.program).chain(&self.arguments);
        f.write_str(&programs::command_line(words))
    }
}

impl Step {
    /// Runs the command and returns its exit status.
    fn run(&self) -> Result<u8> {
        // modprobe is in /sbin, which is not in the PATH of every root shell.
        let program = match Path::new(&self.program).is_absolute() {
            true => Some(PathBuf::from(&self.program)),
            false => programs::program(&self.program.to_string_lossy()),
        };
        let name = self.program.to_string_lossy();
        let Some(program) = program else {
            bail!(
                "{name}: not found; install it: apt install {}",
                self.package
            );
        };
        let status = process::Command::new(program)
            .args(&self.arguments)
            .status()
            .with_context(|| name.into_owned())?;
        Ok(programs::exit_code(status))
    }
}

/// Prints each command and, unless this is a dry run, runs it. Returns the first exit status that
/// is not 0.
pub fn run_all(steps: &[Step], dry_run: bool) -> Result<u8> {
    for step in steps {
        if dry_run {
            writeln!(ui::out(), "{step}")?;
            continue;
        }
        writeln!(ui::out(), "{}", ui::styled(ui::DIM, step))?;
        let status = step.run()?;
        if status != 0 {
            return Ok(status);
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_typed_as_it_is_printed() {
        let step = Step {
            program: "make".into(),
            arguments: ["-C", "/a b/it's", "KVER=7.3.4+deb13-amd64", ""]
                .map(OsString::from)
                .into(),
            package: "make",
        };
        assert_eq!(
            step.to_string(),
            r"make -C '/a b/it'\''s' KVER=7.3.4+deb13-amd64 ''"
        );
    }
}
