// SPDX-License-Identifier: GPL-2.0
//! What is said of a transfer, to people and to programs.

use std::fmt;
use std::process::ExitCode;

use serde::Serialize;

use crate::mix::Share;
use mdp2p_io::memory::Memory;
use mdp2p_io::transfer::{Outcome, Why};

/// What a program gets to read: one object.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Of this format.
    version: u32,
    verb: &'static str,
    /// Where all went through, if it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<Memory>,
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
    /// What went through each memory, if it was not one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    memories: Vec<Share>,
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
            memory: Some(memory),
            bytes: outcome.bytes,
            ios: outcome.ios,
            errors: outcome.errors,
            errno: outcome
                .failures
                .iter()
                .find_map(|(_, failure)| match failure.why {
                    Why::Errno(errno) => Some(format!("{errno:?}")),
                    Why::Short(_) => None,
                }),
            mismatches: outcome.mismatches,
            checksum,
            memories: Vec::new(),
        }
    }

    /// Sums up what went through several memories.
    pub fn of_shares(verb: &'static str, shares: Vec<Share>, outcome: &Outcome) -> Self {
        Self {
            memory: None,
            memories: shares,
            ..Self::new(verb, Memory::Host, outcome, None)
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
            bytes,
            ios,
            errors,
            mismatches,
            ..
        } = self;
        let through = match self.memory {
            Some(memory) => memory.to_string(),
            None => listed(&self.memories),
        };
        let mut line = format!("{verb}: {bytes} bytes in {ios} I/Os through {through}");
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

fn listed(shares: &[Share]) -> String {
    let shares: Vec<_> = shares.iter().map(ToString::to_string).collect();
    shares.join(", ")
}

/// The first failures and mismatches, one a line, and how many more there are.
pub fn details(outcome: &Outcome) -> Vec<String> {
    let more = |all: u64, shown: usize, what: &str| {
        let left = all - shown as u64;
        (left > 0).then(|| format!("and {left} more {what}"))
    };
    let failures = outcome.failures.iter().map(named);
    let differing = outcome.differing.iter().map(named);
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

fn named<T: fmt::Display>((whose, what): &(Option<String>, T)) -> String {
    match whose {
        Some(whose) => format!("{whose}: {what}"),
        None => what.to_string(),
    }
}
