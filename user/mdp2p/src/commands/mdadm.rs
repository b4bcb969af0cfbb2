// SPDX-License-Identifier: GPL-2.0
//! `mdp2p mdadm`: runs any mdadm command so that it talks to md-p2p.
//!
//! Tests: tests/mdadm.rs.

use anyhow::Result;
use clap::Args;
use mdp2p_machine::sysroot::Sysroot;

use crate::command::Command;
use crate::control::{mdadm, modprobe, privilege};

/// `mdp2p mdadm`
#[derive(Args, Debug)]
#[command(after_help = "\
The output is mdadm's. The options that mdp2p has, such as --help, are mdadm's only after `--`.

Exit status: mdadm's own. If mdp2p cannot run mdadm, it says so and ends with 1, or with 2 if it was \
called wrongly.

Examples:
  mdp2p mdadm --detail /dev/md0
  mdp2p mdadm /dev/md0 --fail /dev/nvme1n1
  mdp2p mdadm -- --help")]
pub struct Mdadm {
    /// Arguments for mdadm
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGUMENT"
    )]
    pub arguments: Vec<std::ffi::OsString>,
}

impl Command for Mdadm {
    fn changes(&self) -> bool {
        true
    }

    /// Runs mdadm with the given arguments, and returns its exit status.
    ///
    /// # Errors
    /// Fails if mdadm cannot be run.
    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        privilege::need_root("run mdadm")?;
        let mdadm = mdadm::find()?;
        modprobe::load(sysroot)?;
        mdadm::execute(sysroot, &mdadm, &self.arguments)
    }
}
