// SPDX-License-Identifier: GPL-2.0
//! What `mdp2p verify` has found out: what `--json` prints.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::workload::path_taken::{Counted, PathTaken};
use crate::workload::provider::Provider;
use crate::workload::site::Mode;
use crate::workload::subject::Subject;
use mdp2p_io::target::Operation;
use mdp2p_machine::pci::bdf::Bdf;

/// What `mdp2p verify` has found out, or would do.
#[derive(Debug, Serialize)]
pub struct VerifyReport {
    /// The array.
    #[serde(flatten)]
    pub subject: Subject,
    /// What was done to it.
    pub mode: Mode,
    /// The array or the file.
    pub path: PathBuf,
    /// Whether nothing was moved.
    pub dry_run: bool,
    /// Bytes that are moved through each provider, for each operation.
    pub bytes: u64,
    /// In how many pieces.
    pub pieces: usize,
    /// Whose memory.
    pub providers: Vec<Provider>,
    /// What came of it.
    pub results: Vec<Trial>,
    /// What else there is to say; sentences.
    pub notes: Vec<String>,
}

/// What came of one operation through one provider.
#[derive(Debug, Serialize)]
pub struct Trial {
    /// The provider.
    pub provider: Bdf,
    /// What was done through peer memory; the other half was done through host memory.
    pub operation: Operation,
    /// Bytes that went through whole, to or from peer memory.
    pub bytes: u64,
    /// Which way.
    pub went: PathTaken,
    /// What the array has counted; none if it does not count.
    pub counted: Option<Counted>,
    /// Whether the data are right.
    pub data: Data,
    /// SHA-256 of what came through peer memory.
    pub sha256: Option<String>,
    /// SHA-256 of what it should be: what came through host memory, or was written.
    pub expected_sha256: Option<String>,
    /// How many blocks or sectors are wrong.
    pub wrong: u64,
    /// How many I/Os failed.
    pub failed: u64,
    /// The first of them, in words.
    pub details: Vec<String>,
}

/// Whether data are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Data {
    /// They are.
    Right,
    /// They kept changing while they were looked at.
    Changed,
    /// Some I/O failed.
    Failed,
    /// The provider had no memory left to move them through.
    NoMemory,
    /// They are not.
    Wrong,
}

impl VerifyReport {
    /// Whether all data are right.
    pub fn is_right(&self) -> bool {
        self.results.iter().all(|row| row.data == Data::Right)
    }
}

impl Trial {
    /// The rows of a provider that has no memory left.
    pub fn untried(provider: Bdf, mode: Mode, why: &str) -> Vec<Trial> {
        let row = |&operation: &Operation| Trial {
            provider,
            operation,
            bytes: 0,
            went: PathTaken::Nowhere,
            counted: None,
            data: Data::NoMemory,
            sha256: None,
            expected_sha256: None,
            wrong: 0,
            failed: 0,
            details: vec![format!("no memory left: {why}")],
        };
        operations(mode).iter().map(row).collect()
    }
}

fn operations(mode: Mode) -> &'static [Operation] {
    match mode {
        Mode::ReadOnly => &[Operation::Read],
        Mode::WriteFile | Mode::Destructive => &[Operation::Write, Operation::Read],
    }
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Data::Right => "right",
            Data::Changed => "changed",
            Data::Failed => "failed",
            Data::NoMemory => "no memory",
            Data::Wrong => "WRONG",
        })
    }
}
