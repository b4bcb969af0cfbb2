// SPDX-License-Identifier: GPL-2.0
//! The options of `mdp2p create`.
//!
//! Tests: tests/create.rs and tests/contract.rs.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::arguments::Offering;
use crate::completions;
use crate::control::setting::{PolicyValue, ProviderValue, parse_provider};

/// Where the write-intent bitmap is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Bitmap {
    /// On the members: after a crash, only what was being written is resynced
    Internal,
    /// After a crash, all is resynced
    None,
}

/// The levels to offer. Which others mdadm has is said where the plan is made.
const LEVELS: Offering<String> = Offering {
    words: &["linear", "0", "1", "4", "5", "6", "10"],
    parse: |level| Ok(level.to_owned()),
};

/// `mdp2p create`
#[derive(Args, Debug)]
#[command(after_help = "\
A device in use (mounted, swap, member of another array, held by another driver) is never taken. \
A device that holds a filesystem, a partition table or an old array is taken only if --overwrite \
names it. Options for mdadm --create follow `--`; they must not name a device.

Examples:
  mdp2p create /dev/md0 --level 10 /dev/nvme[0-3]n1
  mdp2p create /dev/md/data --level 5 --spare /dev/nvme4n1 /dev/nvme[0-3]n1 --dry-run
  mdp2p create md1 --level 1 --require-direct /dev/nvme0n1 /dev/nvme1n1 -- --chunk=64")]
pub struct Create {
    /// Array to make: md0, /dev/md0 or /dev/md/NAME
    pub array: String,
    /// RAID level: linear, 0, 1, 4, 5, 6 or 10
    #[arg(
        long,
        short,
        value_name = "LEVEL",
        allow_hyphen_values = true,
        value_parser = LEVELS,
        hide_possible_values = true
    )]
    pub level: String,
    /// Number of members, not counting spares [default: as many as are named]
    #[arg(long, short = 'n', value_name = "N")]
    pub raid_devices: Option<u32>,
    /// Spare device; may be given several times
    #[arg(long, value_name = "DEVICE")]
    pub spare: Vec<PathBuf>,
    /// Journal device, where raid4, 5 or 6 log writes first
    #[arg(long, value_name = "DEVICE")]
    pub write_journal: Option<PathBuf>,
    /// Whether members note which blocks are being written [default: mdadm asks; --yes: internal]
    #[arg(long, value_enum, value_name = "WHERE")]
    pub bitmap: Option<Bitmap>,
    /// Block devices, or `missing`
    #[arg(required = true, value_name = "MEMBER")]
    pub members: Vec<PathBuf>,
    /// Fail, and make nothing, if any I/O would not be direct
    #[arg(long)]
    pub require_direct: bool,
    /// What to do with peer I/O that cannot be direct
    #[arg(long, value_enum)]
    pub policy: Option<PolicyValue>,
    /// Provider whose memory rebuilds use: auto, none or a PCI address
    #[arg(long, value_parser = parse_provider, add = completions::provider())]
    pub provider: Option<ProviderValue>,
    /// Take a device even if it holds a filesystem, a partition table or an old array
    #[arg(long, value_name = "DEVICE")]
    pub overwrite: Vec<PathBuf>,
    /// Show the plan, and make nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Answer all questions with yes, also mdadm's own
    #[arg(long, short)]
    pub yes: bool,
    /// Options for mdadm --create
    #[arg(last = true, value_name = "MDADM-OPTION")]
    pub options: Vec<String>,
}
