// SPDX-License-Identifier: GPL-2.0
//! Where an array is put together: under which driver, and with which number.
//!
//! Tests: below, and the scenario incremental.sh.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{self, Stdio};

use anyhow::{Context, Result, bail};
use mdp2p_machine::kernel::modules;
use mdp2p_machine::md::array::{Array, Driver};
use mdp2p_machine::md::level::Level;
use mdp2p_machine::md::uuid::Uuid;
use mdp2p_machine::programs::exit_code;
use mdp2p_machine::sysroot::Sysroot;
use mdp2p_machine::text::shown_lines;

use super::member::value;
use crate::control::enrolled::{Enrolled, SUBSTITUTES, is_plain_name};
use crate::control::mdadm::namespace::Namespace;
use crate::control::modprobe;
use crate::ui;

/// Configuration files for mdadm, which last until the next boot.
pub const STATE: &str = "run/md-p2p";

/// Where an array is put together.
pub struct Place {
    pub name: String,
    pub driver: Driver,
}

impl Place {
    /// Returns the place of an array that exists.
    pub fn of(array: Array) -> Self {
        Self {
            name: array.name,
            driver: array.driver,
        }
    }

    /// Chooses a place for an array whose first member has appeared.
    pub fn choose(sysroot: &Sysroot, enrolled: &Enrolled, level: Option<Level>) -> Result<Self> {
        let driver = match load(sysroot, level) {
            Ok(()) => Driver::MdP2p,
            Err(error) => {
                let node = enrolled.node();
                ui::complain(&format!("{node} comes up under the kernel's md: {error:#}"));
                Driver::Md
            }
        };
        let is_free = |number: &u32| !sysroot.has(format!("sys/block/md{number}"));
        let mut numbers = std::iter::once(enrolled.number).chain(SUBSTITUTES);
        let number = numbers
            .find(is_free)
            .context("no number for an array is free")?;
        if number != enrolled.number {
            ui::complain(&format!(
                "md{} is another array: this one becomes md{number}",
                enrolled.number
            ));
        }
        let name = format!("md{number}");
        Ok(Self { name, driver })
    }

    /// Writes a configuration file that has the place, for mdadm and for the last resort of the
    /// initramfs. Returns the option for mdadm.
    pub fn write(&self, sysroot: &Sysroot, uuid: Uuid) -> Result<OsString> {
        // The kernel lets root give arrays any name.
        if !is_plain_name(&self.name) {
            bail!(
                "{:?}: mdadm's configuration cannot hold this name: assemble the array by another",
                self.name
            );
        }
        let path = sysroot.path(format!("{STATE}/{uuid}.conf"));
        let text = format!("ARRAY /dev/{} UUID={}\n", self.name, uuid.to_mdadm());
        fs::write(&path, text).with_context(|| path.display().to_string())?;
        let mut option = OsString::from("--config=");
        option.push(path);
        Ok(option)
    }

    /// Runs mdadm and returns its exit status and what it printed.
    pub fn mdadm(
        &self,
        sysroot: &Sysroot,
        mdadm: &Path,
        arguments: &[OsString],
    ) -> Result<(u8, String)> {
        let (read, write) = nix::unistd::pipe().context("a pipe")?;
        let mut command = process::Command::new(mdadm);
        command.args(arguments).stdin(Stdio::null()).stdout(write);
        let namespace = match self.driver {
            Driver::MdP2p => Namespace::of(sysroot, arguments)?,
            Driver::Md => Namespace::default(),
        };
        // mdadm prints a few lines, which fit in the pipe.
        let status = namespace.run(command)?;
        let mut output = String::new();
        File::from(read)
            .read_to_string(&mut output)
            .context("reading what mdadm prints")?;
        // For the journal. mdadm has done its work, so what comes next does not depend on that.
        let _ = write!(ui::out(), "{}", shown_lines(&output));
        Ok((exit_code(status), output))
    }
}

/// Loads the modules for a level. The kernel's md is loaded first: then it keeps the arrays that
/// are not enrolled, and udev and mdadm treat them as before.
fn load(sysroot: &Sysroot, level: Option<Level>) -> Result<()> {
    let level = level.context("md-p2p does not support its level")?;
    if !modules::is_loaded(sysroot, "md-p2p") {
        // A kernel without md-mod is no error, because md-p2p is then alone.
        let _ = modprobe::load_module(sysroot, "md-mod");
    }
    modprobe::load(sysroot)?;
    modprobe::load_module(sysroot, level.module())
}

/// Tells whether the array could start, but without all the members that it had: the missing ones
/// may still appear.
pub fn is_unsafe(output: &str) -> bool {
    let is_ours = value(output, "MD_FOREIGN") != Some("yes");
    is_ours && value(output, "MD_STARTED").is_some_and(|it| it.contains("unsafe"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_waited_for_in_arrays_of_this_host() {
        let output = |started: &str, foreign: &str| {
            format!("MD_DEVICE=md128\nMD_FOREIGN={foreign}\nMD_STARTED={started}\n")
        };
        assert!(is_unsafe(&output("unsafe", "no")));
        assert!(!is_unsafe(&output("unsafe", "yes")));
        assert!(!is_unsafe(&output("no", "no")));
        assert!(!is_unsafe(&output("already", "no")));
        assert!(!is_unsafe(""));
    }
}
