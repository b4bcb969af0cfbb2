// SPDX-License-Identifier: GPL-2.0
//! The options of `mdp2p verify`.
//!
//! Tests: tests/verify.rs and tests/contract.rs.

use std::path::PathBuf;

use clap::Args;
use mdp2p_machine::pci::bdf::Bdf;

use crate::arguments::some_pages;
use crate::completions;

/// `mdp2p verify`
#[derive(Args, Debug)]
#[command(after_help = "\
By default verify only reads: it reads each block through peer memory and through host memory, and \
compares them. --write-file and --destructive write patterns through one memory and read them back \
through the other. The data are spread over the whole array. Staged bytes are not a failure.

--destructive never overwrites an array that is in use (mounted, swap, or held by another device). \
Before it overwrites an array, it says what the array holds, and asks; --yes answers the question.

Exit status: 0 the data are right, 1 they are wrong or could not be moved, even if only through one \
provider.

Examples:
  mdp2p verify md0
  mdp2p verify md0 --provider 0000:04:00.0 --size 64M
  mdp2p verify md0 --write-file /mnt/data/mdp2p.test
  mdp2p verify md0 --destructive --yes")]
pub struct Verify {
    /// The array
    #[arg(add = completions::array())]
    pub array: String,
    /// Provider to use, which must lend memory; may be repeated [default: all that do]
    #[arg(long, value_name = "ADDRESS")]
    pub provider: Vec<Bdf>,
    /// How much data to move
    #[arg(long, value_parser = some_pages, default_value = "16M")]
    pub size: u64,
    /// Also write to this file, which is created on the array's filesystem and removed at the end
    #[arg(long, value_name = "PATH", conflicts_with = "destructive")]
    pub write_file: Option<PathBuf>,
    /// Also write to the array itself; its data are lost
    #[arg(long)]
    pub destructive: bool,
    /// Show what would be moved, but move nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask for confirmation
    #[arg(long, short)]
    pub yes: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
