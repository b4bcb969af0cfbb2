// SPDX-License-Identifier: GPL-2.0
//! The options of `mdp2p bench`.
//!
//! Tests: tests/bench.rs and tests/contract.rs.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use mdp2p_machine::pci::bdf::Bdf;

use crate::arguments::{block_size, seconds, some_pages};
use crate::completions;

/// `mdp2p bench`
#[derive(Args, Debug)]
#[command(after_help = "\
Peer memory and host memory take turns, so that a disturbance affects both. By default bench only \
reads, at random places of the array. Where nothing was ever written, drives answer without reading \
their medium, and the figures are too good. CPU is the time of mdp2p itself. ALL CPU is the time of \
the whole machine, including the kernel's workers that copy staged data, and any other load.

Examples:
  mdp2p bench md0
  mdp2p bench md0 --block-size 64K,1M --seconds 5 --svg bench.svg
  mdp2p bench md0 --write-file /mnt/data/mdp2p.test --json
  mdp2p bench md0 --staging --save before.json
  mdp2p bench md0 --staging --compare before.json
  mdp2p bench --compare before.json after.json")]
pub struct Bench {
    /// The array
    #[arg(add = completions::array(), required_unless_present = "compare")]
    pub array: Option<String>,
    /// Provider to use, which must lend memory [default: the nearest that the members reach, or with --staging the farthest]
    #[arg(long, value_name = "ADDRESS")]
    pub provider: Option<Bdf>,
    /// Block sizes
    #[arg(long, value_name = "SIZE", value_delimiter = ',', value_parser = block_size, default_value = "4K,64K,1M")]
    pub block_size: Vec<u64>,
    /// Seconds for each block size, operation and memory
    #[arg(long, allow_negative_numbers = true, value_parser = seconds, default_value = "3")]
    pub seconds: Duration,
    /// Blocks in flight
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub depth: u32,
    /// Also write to this file, which is created on the array's filesystem and removed at the end
    #[arg(long, value_name = "PATH", conflicts_with = "destructive")]
    pub write_file: Option<PathBuf>,
    /// Size of that file [default: 1G, but at most a quarter of the free space]
    #[arg(long, value_name = "SIZE", value_parser = some_pages, requires = "write_file")]
    pub file_size: Option<u64>,
    /// Also write to the array itself; its data are lost
    #[arg(long)]
    pub destructive: bool,
    /// Measure staging: through the memory that the fewest members reach, and that memory itself
    #[arg(long)]
    pub staging: bool,
    /// Show what would be moved, but move nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask for confirmation
    #[arg(long, short)]
    pub yes: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Also write the results into this file, which can be sent: it has no names or serial numbers
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub save: Option<PathBuf>,
    /// Compare two such files; or one with what is measured now, if an array comes before the option
    #[arg(long, value_name = "FILE", num_args = 1..=2, conflicts_with_all = ["dry_run", "json"])]
    pub compare: Vec<PathBuf>,
    /// Draw the results into this file
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}
