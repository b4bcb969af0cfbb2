// SPDX-License-Identifier: GPL-2.0
//! The options of `mdp2p verify`.
//!
//! Tests: tests/verify.rs and tests/contract.rs.

use std::path::PathBuf;

use clap::Args;
use mdp2p_machine::pci::bdf::Bdf;

use crate::arguments::some_pages;

/// `mdp2p verify`
#[derive(Args, Debug)]
#[command(after_help = "\
By default it only reads: each block through peer memory and through host memory, and compares. \
--write-file and --destructive write patterns through the one and read them back through the other. \
What is moved is spread over the whole array. Bytes that were staged are no failure.

--destructive never touches an array that is in use (mounted, swap, held by something else), \
whatever is said; one that holds a filesystem or a partition table it overwrites if its question is \
answered with yes, or if --yes is given too.

Exit status: 0 the data are right, 1 they are not or could not be moved, if only through one provider.

Examples:
  mdp2p verify md0
  mdp2p verify md0 --provider 0000:04:00.0 --size 64M
  mdp2p verify md0 --write-file /mnt/data/mdp2p.test
  mdp2p verify md0 --destructive --yes")]
pub struct Verify {
    /// The array
    pub array: String,
    /// Whose memory; may be given several times [default: each provider]
    #[arg(long, value_name = "ADDRESS")]
    pub provider: Vec<Bdf>,
    /// How much to move
    #[arg(long, value_parser = some_pages, default_value = "16M")]
    pub size: u64,
    /// Write too: into this file on the array's filesystem, which is made, and removed at the end
    #[arg(long, value_name = "PATH", conflicts_with = "destructive")]
    pub write_file: Option<PathBuf>,
    /// Write too: onto the array itself, whose data are lost
    #[arg(long)]
    pub destructive: bool,
    /// Say what would be moved, and move nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
