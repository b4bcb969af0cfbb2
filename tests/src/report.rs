// SPDX-License-Identifier: GPL-2.0
//! Tells people and programs how a transfer went.

use std::fmt;
use std::process::ExitCode;

use serde::Serialize;

use crate::mix::Share;
use mdp2p_io::memory::Memory;
use mdp2p_io::target::Why;
use mdp2p_io::transfer::Outcome;

/// The report for programs: one object.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The version of this format.
    version: u32,
    verb: &'static str,
    /// The memory, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<Memory>,
    /// The bytes of the I/Os that succeeded in full.
    bytes: u64,
    /// The number of I/Os that succeeded in full.
    ios: u64,
    /// The number of I/Os that did not.
    errors: u64,
    /// The kernel's name for the first error that is not a short I/O.
    errno: Option<String>,
    /// The number of wrong sectors.
    mismatches: u64,
    /// The SHA-256 of what was read, if everything was read.
    checksum: Option<String>,
    /// The I/O that went through each memory, if there were several.
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

    /// Sums up I/O through several memories.
    pub fn of_shares(verb: &'static str, shares: Vec<Share>, outcome: &Outcome) -> Self {
        Self {
            memory: None,
            memories: shares,
            ..Self::new(verb, Memory::Host, outcome, None)
        }
    }

    /// Returns one JSON object for programs.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// Returns one line for people.
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

    /// Returns status 0 if all is right, 1 if anything differs, 3 if an I/O failed.
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

/// Returns lines with the first failures and mismatches, and how many more there are.
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
