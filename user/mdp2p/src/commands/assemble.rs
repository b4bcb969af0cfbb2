// SPDX-License-Identifier: GPL-2.0
//! `mdp2p assemble` and `mdp2p stop`: as mdadm does it, for arrays of md-p2p.
//!
//! Tests: tests/assemble.rs and tests/mdadm.rs.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::command::Command;
use crate::completions;
use crate::control::moving::{self, Moving};
use crate::control::{mdadm, modprobe, privilege};
use crate::ui;
use clap::Args;
use mdp2p_machine::block::device::{self, BlockDevice};
use mdp2p_machine::block::users::Use;
use mdp2p_machine::md::array::{self, Array, Driver};
use mdp2p_machine::md::{name, uses};
use mdp2p_machine::sysroot::Sysroot;

/// `mdp2p assemble`
#[derive(Args, Debug)]
#[command(after_help = "\
Without members, mdadm finds them itself.

Examples:
  mdp2p assemble /dev/md0 /dev/nvme[0-3]n1
  mdp2p assemble /dev/md/data -- --uuid=…")]
pub struct Assemble {
    /// Array to assemble: md0, /dev/md0 or /dev/md/NAME
    pub array: String,
    /// Members of the array
    #[arg(value_name = "MEMBER")]
    pub members: Vec<PathBuf>,
    /// Print the command, and run nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Options for mdadm --assemble
    #[arg(last = true, value_name = "MDADM-OPTION")]
    pub options: Vec<String>,
}

impl Command for Assemble {
    fn changes(&self) -> bool {
        !self.dry_run
    }

    /// Lets mdadm put an array together.
    ///
    /// # Errors
    /// Fails if the name or a member is wrong or in use, or if mdadm cannot be run or fails.
    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        if !self.dry_run {
            privilege::need_root("assemble arrays")?;
        }
        let node = name::node(&self.array)?;
        let arrays = array::all(sysroot)?;
        if let Some(array) = name::find_by_node(sysroot, &node)? {
            if array.driver == Driver::Md {
                bail!(
                    "{node} is an array of the kernel's md, {}. {}",
                    array.name,
                    Moving::of(sysroot, &arrays, &array).sentence(&array.name)
                );
            }
        }
        let mut arguments: Vec<OsString> = vec!["--assemble".into(), node.into()];
        arguments.extend(self.options.iter().map(OsString::from));
        for member in &self.members {
            let device = BlockDevice::find(sysroot, member)?;
            check_is_free(sysroot, &arrays, &device)?;
            arguments.push(device.node.into());
        }
        if self.dry_run {
            return mdadm::print_instead(&arguments);
        }
        let program = mdadm::find()?;
        modprobe::load(sysroot)?;
        mdadm::succeed(sysroot, &program, &arguments)?;
        Ok(0)
    }
}

/// `mdp2p stop`
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  mdp2p stop md0")]
pub struct Stop {
    /// Arrays to stop
    #[arg(required = true, value_name = "ARRAY", add = completions::array())]
    pub arrays: Vec<String>,
    /// Print the command, and run nothing
    #[arg(long)]
    pub dry_run: bool,
}

impl Command for Stop {
    fn changes(&self) -> bool {
        !self.dry_run
    }

    /// Lets mdadm stop arrays.
    ///
    /// # Errors
    /// Fails, and stops none, if an array does not exist, is not md-p2p's or is in use. Fails if
    /// mdadm cannot be run or fails.
    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        if !self.dry_run {
            privilege::need_root("stop arrays")?;
        }
        let arrays = array::all(sysroot)?;
        let mut chosen: Vec<Array> = Vec::new();
        for wanted in &self.arrays {
            let array = array::find(sysroot, wanted)?;
            if array.driver == Driver::Md {
                bail!(
                    "{wanted} is an array of the kernel's md, not of md-p2p. {}; nothing was stopped",
                    Moving::of(sysroot, &arrays, &array).sentence(&array.name)
                );
            }
            if chosen.iter().all(|it| it.name != array.name) {
                check_is_unused(sysroot, &array, &chosen, self.dry_run)?;
                chosen.push(array);
            }
        }
        let nodes = chosen.iter().map(|it| format!("/dev/{}", it.name).into());
        let arguments: Vec<OsString> = std::iter::once("--stop".into()).chain(nodes).collect();
        if self.dry_run {
            return mdadm::print_instead(&arguments);
        }
        let program = mdadm::find()?;
        mdadm::succeed(sysroot, &program, &arguments)?;
        Ok(0)
    }
}

/// Checks that nothing uses a member. mdadm would only say that it is busy.
fn check_is_free(sysroot: &Sysroot, arrays: &[Array], device: &BlockDevice) -> Result<()> {
    let users = device::users(sysroot, device)?;
    let Some(user) = users.first() else {
        return Ok(());
    };
    let is_in = |array: &&Array| array.members.iter().any(|it| it.name == device.name);
    let what_to_do = match arrays.iter().find(is_in) {
        Some(array) if array.driver == Driver::Md => format!("; {}", moving::pointer(&array.name)),
        Some(array) => format!("; `mdp2p stop {}` frees it", array.name),
        None => String::new(),
    };
    bail!("{user}{what_to_do}; nothing was assembled")
}

/// Checks that nothing uses an array but those that are stopped before it. mdadm also waits for
/// programs that have it open for a moment, so only a dry run looks for these.
fn check_is_unused(
    sysroot: &Sysroot,
    array: &Array,
    before: &[Array],
    openers_too: bool,
) -> Result<()> {
    let name = &array.name;
    for (device, used) in uses::of(sysroot, array)? {
        if let Use::Holder(holder) = &used
            && before.iter().any(|it| it.name == holder.name)
        {
            continue;
        }
        if used.is_essential() {
            bail!(
                "{device} is {used}, so {name} cannot be stopped while the system runs; nothing was \
                 stopped"
            );
        }
        let remedy = used.remedy(&device);
        bail!(
            "{device} is {used}, so {name} cannot be stopped: {remedy} first; nothing was stopped"
        );
    }
    let openers = match openers_too {
        true => uses::openers(sysroot, array)?,
        false => Vec::new(),
    };
    if !openers.is_empty() {
        bail!(
            "{name} cannot be stopped, because programs have it open: {}",
            ui::list(openers)
        );
    }
    Ok(())
}
