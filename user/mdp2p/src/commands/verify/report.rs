// SPDX-License-Identifier: GPL-2.0
//! The report of `mdp2p verify`, as `--json` prints it.
//!
//! Tests: tests/verify.rs, which checks it against schema/verify.json.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::workload::path_taken::{Counted, PathTaken};
use crate::workload::provider::Provider;
use crate::workload::site::Mode;
use crate::workload::subject::Subject;
use mdp2p_io::target::Operation;
use mdp2p_machine::pci::bdf::Bdf;

/// What `mdp2p verify` found or, in a dry run, would do.
#[derive(Debug, Serialize)]
pub struct VerifyReport {
    /// The array.
    #[serde(flatten)]
    pub subject: Subject,
    /// How the array is used.
    pub mode: Mode,
    /// The node of the array, or the file.
    pub path: PathBuf,
    /// Whether it was a dry run, in which nothing is moved.
    pub dry_run: bool,
    /// Bytes that each operation moves through each provider.
    pub bytes: u64,
    /// The number of pieces into which those bytes are split.
    pub pieces: usize,
    /// The providers.
    pub providers: Vec<Provider>,
    /// The result of each operation through each provider.
    pub results: Vec<Trial>,
    /// Notes, as sentences.
    pub notes: Vec<String>,
}

/// The result of one operation through one provider.
#[derive(Debug, Serialize)]
pub struct Trial {
    /// The provider.
    pub provider: Bdf,
    /// The operation through peer memory. Its counterpart went through host memory.
    pub operation: Operation,
    /// Bytes of the I/Os through peer memory that completed.
    pub bytes: u64,
    /// The path that the bytes took.
    #[serde(rename = "went")]
    pub path_taken: PathTaken,
    /// How far the counters of the array grew; `None` if it has no counters.
    pub counted: Option<Counted>,
    /// Whether the data are right.
    pub data: Data,
    /// SHA-256 of the data that came through peer memory.
    pub sha256: Option<String>,
    /// SHA-256 of the expected data: those read through host memory, or those written.
    pub expected_sha256: Option<String>,
    /// The number of wrong blocks or sectors.
    pub wrong: u64,
    /// The number of failed I/Os.
    pub failed: u64,
    /// The first problems, in words.
    pub details: Vec<String>,
}

/// The verdict on the data of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Data {
    /// The data are right.
    Right,
    /// The data changed while they were compared.
    Changed,
    /// An I/O failed.
    Failed,
    /// The provider had no memory left for the buffers.
    NoMemory,
    /// The data are wrong.
    Wrong,
}

impl VerifyReport {
    /// Returns whether the data of all trials are right.
    pub fn is_right(&self) -> bool {
        self.results.iter().all(|row| row.data == Data::Right)
    }
}

impl Trial {
    /// Returns the trials that a provider without free memory would have had; `why` is the detail.
    pub fn untried(provider: Bdf, mode: Mode, why: &str) -> Vec<Trial> {
        let row = |&operation: &Operation| Trial {
            provider,
            operation,
            bytes: 0,
            path_taken: PathTaken::Nowhere,
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
