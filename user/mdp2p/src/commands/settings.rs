// SPDX-License-Identifier: GPL-2.0
//! `mdp2p policy` and `mdp2p provider`: show or change two settings of an array.
//!
//! Tests: tests/settings.rs and tests/mdadm.rs.

use std::io::Write;

use anyhow::{Context, Result};

use crate::command::Command;
use crate::completions;
use crate::control::setting::{PolicyValue, ProviderValue, Setting, parse_provider};
use crate::control::{moving, privilege};
use crate::ui;
use clap::Args;
use mdp2p_machine::md::array::{self, P2p};
use mdp2p_machine::sysroot::Sysroot;

/// `mdp2p policy`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  mdp2p policy md0\n  mdp2p policy md0 direct")]
pub struct SetPolicy {
    /// Array to show or change
    #[arg(add = completions::array())]
    pub array: String,
    /// New policy [default: show the current one]
    #[arg(value_enum)]
    pub policy: Option<PolicyValue>,
    /// Show what would be changed, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

impl Command for SetPolicy {
    fn changes(&self) -> bool {
        self.policy.is_some() && !self.dry_run
    }

    /// Shows or sets the policy.
    ///
    /// # Errors
    /// Fails if md-p2p has no such array, or if the array does not accept the policy.
    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        let wanted = self.policy.map(Setting::Policy);
        show_or_set(sysroot, &self.array, wanted, self.dry_run, |p2p| {
            &p2p.policy
        })
    }
}

/// `mdp2p provider`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  mdp2p provider md0\n  mdp2p provider md0 0000:04:00.0")]
pub struct SetProvider {
    /// Array to show or change
    #[arg(add = completions::array())]
    pub array: String,
    /// New provider: auto, none or a PCI address [default: show the current one]
    #[arg(value_parser = parse_provider, add = completions::provider())]
    pub provider: Option<ProviderValue>,
    /// Show what would be changed, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

impl Command for SetProvider {
    fn changes(&self) -> bool {
        self.provider.is_some() && !self.dry_run
    }

    /// Shows or sets the provider whose memory rebuilds use.
    ///
    /// # Errors
    /// Fails if md-p2p has no such array, or if the array does not accept the provider.
    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        let wanted = self.provider.map(Setting::Provider);
        show_or_set(sysroot, &self.array, wanted, self.dry_run, |p2p| {
            &p2p.provider_wanted
        })
    }
}

fn show_or_set(
    sysroot: &Sysroot,
    array: &str,
    wanted: Option<Setting>,
    dry_run: bool,
    now: impl Fn(&P2p) -> &str,
) -> Result<u8> {
    if wanted.is_some() && !dry_run {
        privilege::need_root("change an array")?;
    }
    let array = array::find(sysroot, array)?;
    let name = &array.name;
    let p2p = array.p2p.as_ref().with_context(|| {
        format!(
            "{name} is an array of the kernel's md, which has no such setting; {}",
            moving::pointer(name)
        )
    })?;
    if let Some(setting) = wanted {
        setting.check(sysroot)?;
    }
    match wanted {
        None => writeln!(ui::out(), "{}", now(p2p))?,
        Some(setting) if dry_run => writeln!(
            ui::out(),
            "echo {setting} >/sys/block/{name}/md/{}    # now {}",
            setting.file(),
            now(p2p)
        )?,
        Some(setting) => setting.apply(sysroot, &array)?,
    }
    Ok(0)
}
