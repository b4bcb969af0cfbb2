// SPDX-License-Identifier: GPL-2.0
//! `mdp2p assemble` and `mdp2p stop`: as mdadm does it, for arrays of md-p2p.
//!
//! Tests: tests/assemble.rs and tests/mdadm.rs.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::command::Command;
use crate::control::{mdadm, modprobe, privilege};
use clap::Args;
use mdp2p_machine::block::device::BlockDevice;
use mdp2p_machine::md::array::{self, Driver};
use mdp2p_machine::md::name;
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

    /// Lets mdadm put an array together, and returns its exit status.
    ///
    /// # Errors
    /// Fails if the name or a member is wrong, or if mdadm cannot be run.
    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        if !self.dry_run {
            privilege::need_root("assemble arrays")?;
        }
        let node = name::node(&self.array)?;
        if let Some(array) = name::find_by_node(sysroot, &node)? {
            if array.driver == Driver::Md {
                bail!(
                    "{node} is an array of the kernel's md, {}: stop it with `mdadm --stop /dev/{}`, \
                     or choose another name",
                    array.name,
                    array.name
                );
            }
        }
        let mut arguments: Vec<OsString> = vec!["--assemble".into(), node.into()];
        arguments.extend(self.options.iter().map(OsString::from));
        for member in &self.members {
            arguments.push(BlockDevice::find(sysroot, member)?.node.into());
        }
        if self.dry_run {
            return mdadm::print_instead(&arguments);
        }
        let program = mdadm::find()?;
        modprobe::load(sysroot)?;
        mdadm::execute(sysroot, &program, &arguments)
    }
}

/// `mdp2p stop`
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  mdp2p stop md0")]
pub struct Stop {
    /// Arrays to stop
    #[arg(required = true, value_name = "ARRAY")]
    pub arrays: Vec<String>,
    /// Print the command, and run nothing
    #[arg(long)]
    pub dry_run: bool,
}

impl Command for Stop {
    fn changes(&self) -> bool {
        !self.dry_run
    }

    /// Lets mdadm stop arrays, and returns its exit status.
    ///
    /// # Errors
    /// Fails, and stops none, if an array does not exist or is not md-p2p's. Fails if mdadm cannot
    /// be run.
    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        if !self.dry_run {
            privilege::need_root("stop arrays")?;
        }
        let mut arguments: Vec<OsString> = vec!["--stop".into()];
        for wanted in &self.arrays {
            let array = array::find(sysroot, wanted)?;
            if array.driver == Driver::Md {
                bail!(
                    "{wanted} is an array of the kernel's md, not of md-p2p: `mdadm --stop /dev/{}`; \
                     nothing was stopped",
                    array.name
                );
            }
            let node = OsString::from(format!("/dev/{}", array.name));
            if !arguments.contains(&node) {
                arguments.push(node);
            }
        }
        if self.dry_run {
            return mdadm::print_instead(&arguments);
        }
        let program = mdadm::find()?;
        mdadm::execute(sysroot, &program, &arguments)
    }
}
