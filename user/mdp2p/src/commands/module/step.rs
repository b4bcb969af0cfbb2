// SPDX-License-Identifier: GPL-2.0
//! Commands that are shown, and run unless it is a dry run.

use std::ffi::OsString;
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, Result, bail};
use mdp2p_machine::programs;

use crate::ui;

/// A command that is run with our own input and output.
#[derive(Debug)]
pub struct Step {
    pub program: OsString,
    pub arguments: Vec<OsString>,
    /// The Debian package that has it; empty if the program is an absolute path.
    pub package: &'static str,
}

impl fmt::Display for Step {
    /// As one types it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = std::iter::once(&self.program).chain(&self.arguments);
        f.write_str(&programs::command_line(words))
    }
}

impl Step {
    /// Runs it; its exit status.
    fn run(&self) -> Result<u8> {
        // Where modprobe is, and su without a dash does not look.
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

/// Prints each and, if it is no dry run, runs it; the status of the first that fails.
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
