// SPDX-License-Identifier: GPL-2.0
//! The options of `mdp2p bench`.
//!
//! Tests: tests/bench.rs and tests/contract.rs.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use mdp2p_machine::pci::bdf::Bdf;

use crate::arguments::{block_size, seconds, some_pages};

/// `mdp2p bench`
#[derive(Args, Debug)]
#[command(after_help = "\
Peer memory and host memory take turns, so that what disturbs one disturbs the other. By default \
it only reads, blocks anywhere in the array; where nothing was ever written drives answer without \
looking, and the figures are too good. CPU is the time of mdp2p itself, ALL CPU that of the whole \
machine, where the kernel's workers are that copy what is staged, and whatever else runs.

Examples:
  mdp2p bench md0
  mdp2p bench md0 --block-size 64K,1M --seconds 5 --svg bench.svg
  mdp2p bench md0 --write-file /mnt/data/mdp2p.test --json")]
pub struct Bench {
    /// The array
    pub array: String,
    /// Whose memory [default: the nearest provider that the members reach]
    #[arg(long, value_name = "ADDRESS")]
    pub provider: Option<Bdf>,
    /// Sizes of a block
    #[arg(long, value_name = "SIZE", value_delimiter = ',', value_parser = block_size, default_value = "4K,64K,1M")]
    pub block_size: Vec<u64>,
    /// Seconds for each size and each memory
    #[arg(long, value_parser = seconds, default_value = "3")]
    pub seconds: Duration,
    /// Blocks that are under way at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub depth: u32,
    /// Write too: into this file on the array's filesystem, which is made, and removed at the end
    #[arg(long, value_name = "PATH", conflicts_with = "destructive")]
    pub write_file: Option<PathBuf>,
    /// Size of that file [default: 1G, and no more than a quarter of what is free]
    #[arg(long, value_name = "SIZE", value_parser = some_pages, requires = "write_file")]
    pub file_size: Option<u64>,
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
    /// Draw it into a file
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}
