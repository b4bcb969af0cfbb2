// SPDX-License-Identifier: GPL-2.0
//! What is said of a transfer, to people and to programs.

use std::process::ExitCode;

use serde::{Serialize, Serializer};

use crate::memory::Memory;
use crate::transfer::{Outcome, Why};

/// What a program gets to read: one object.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Of this format.
    version: u32,
    verb: &'static str,
    /// `host` or the PCI address.
    #[serde(serialize_with = "name")]
    memory: Memory,
    /// Bytes of the I/Os that went through whole.
    bytes: u64,
    /// I/Os that went through whole.
    ios: u64,
    /// I/Os that did not.
    errors: u64,
    /// The kernel's name for the first error that is not a short I/O.
    errno: Option<String>,
    /// Sectors that are not what they should be.
    mismatches: u64,
    /// SHA-256 of what was read, if all was.
    checksum: Option<String>,
}

impl Report {
    /// Sums up an outcome.
    pub fn new(
        verb: &'static str,
        memory: Memory,
        outcome: &Outcome,
        checksum: Option<String>,
    ) -> Self {
        Self {
            version: 1,
            verb,
            memory,
            bytes: outcome.bytes,
            ios: outcome.ios,
            errors: outcome.errors,
            errno: outcome
                .failures
                .iter()
                .find_map(|failure| match failure.why {
                    Why::Errno(errno) => Some(format!("{errno:?}")),
                    Why::Short(_) => None,
                }),
            mismatches: outcome.mismatches,
            checksum,
        }
    }

    /// One object for programs.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// One line for people.
    pub fn line(&self) -> String {
        let Self {
            verb,
            memory,
            bytes,
            ios,
            errors,
            mismatches,
            ..
        } = self;
        let mut line = format!("{verb}: {bytes} bytes in {ios} I/Os through {memory}");
        if *errors > 0 {
            line += &format!(", {errors} failed");
        }
        if *mismatches > 0 {
            line += &format!(", {mismatches} sectors differ");
        }
        if let Some(checksum) = &self.checksum {
            line += &format!(", sha256 {checksum}");
        }
        line
    }

    /// 0 if all is well, 1 if anything differs, 3 if an I/O failed.
    pub fn status(&self) -> ExitCode {
        match (self.errors, self.mismatches) {
            (0, 0) => ExitCode::SUCCESS,
            (0, _) => ExitCode::from(1),
            _ => ExitCode::from(3),
        }
    }
}

fn name<S: Serializer>(memory: &Memory, serializer: S) -> Result<S::Ok, S::Error> {
    match memory {
        Memory::Host => serializer.serialize_str("host"),
        Memory::Peer(bdf) => serializer.collect_str(bdf),
    }
}

/// The first failures and mismatches, one a line, and how many more there are.
pub fn details(outcome: &Outcome) -> Vec<String> {
    let more = |all: u64, shown: usize, what: &str| {
        let left = all - shown as u64;
        (left > 0).then(|| format!("and {left} more {what}"))
    };
    let failures = outcome.failures.iter().map(ToString::to_string);
    let differing = outcome.differing.iter().map(|(path, mismatch)| match path {
        Some(path) => format!("{}: {mismatch}", path.display()),
        None => mismatch.to_string(),
    });
    failures
        .chain(more(outcome.errors, outcome.failures.len(), "failed I/Os"))
        .chain(differing)
        .chain(more(
            outcome.mismatches,
            outcome.differing.len(),
            "sectors that differ",
        ))
        .collect()
}
