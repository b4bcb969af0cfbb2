// SPDX-License-Identifier: GPL-2.0
//! `mdp2p doctor`: checks whether this machine can do peer-to-peer DMA, and says how to fix what is
//! missing.
//!
//! Tests: tests/doctor.rs.

mod check;
mod checks;
mod report;
mod survey;

use anyhow::Result;
use clap::Args;
use mdp2p_machine::sysroot::Sysroot;

use self::report::Report;
use self::survey::Survey;
use crate::command::Command;
use crate::ui;

/// `mdp2p doctor`
#[derive(Args, Debug)]
#[command(after_help = "\
Exit status: 0 if there is no problem (warnings do not count), 1 if there is one.

Examples:
  mdp2p doctor
  mdp2p doctor --json | jq '.checks[] | select(.verdict != \"ok\")'")]
pub struct Doctor {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl Command for Doctor {
    fn changes(&self) -> bool {
        false
    }

    fn tolerates(&self) -> bool {
        true
    }

    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        let survey = Survey::read(sysroot)?;
        let report = Report::of(&survey);
        match self.json {
            true => ui::json(&report)?,
            false => report.print()?,
        }
        Ok(u8::from(report.problems > 0))
    }
}
