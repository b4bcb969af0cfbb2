// SPDX-License-Identifier: GPL-2.0
//! `mdp2p module`: the kernel modules, from their source to the running kernel.
//!
//! Tests: tests/module.rs.

mod build;
mod in_use;
mod load;
mod options;
mod sign;
mod source;
mod status;
mod step;
mod trust;
mod untested;

use anyhow::Result;
use mdp2p_machine::sysroot::Sysroot;

pub use self::options::{Build, Module, ModuleVerb};
use crate::command::Command;
use crate::control::privilege;

impl Command for Module {
    fn changes(&self) -> bool {
        self.verb.changes()
    }

    fn tolerates(&self) -> bool {
        matches!(self.verb, ModuleVerb::Status { .. })
    }

    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        match &self.verb {
            ModuleVerb::Status { kernel, json } => status::show(sysroot, kernel.as_deref(), *json),
            ModuleVerb::Build(options) => build::run_make(sysroot, options, None),
            ModuleVerb::Install(options) => {
                need_root(options.dry_run, "install")?;
                build::run_make(sysroot, options, Some("install"))
            }
            ModuleVerb::Load { modules, dry_run } => {
                need_root(*dry_run, "load")?;
                load::load(sysroot, modules, *dry_run)
            }
            ModuleVerb::Unload { dry_run } => {
                need_root(*dry_run, "unload")?;
                load::unload(sysroot, *dry_run)
            }
            ModuleVerb::Sign {
                kernel,
                key,
                certificate,
                dry_run,
            } => {
                need_root(*dry_run, "sign")?;
                let pair = key.as_deref().zip(certificate.as_deref());
                sign::sign(sysroot, kernel.as_deref(), pair, *dry_run)
            }
        }
    }
}

fn need_root(dry_run: bool, verb: &str) -> Result<()> {
    match dry_run {
        true => Ok(()),
        false => privilege::need_root(&format!("{verb} modules")),
    }
}
