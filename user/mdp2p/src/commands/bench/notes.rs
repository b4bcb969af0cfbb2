// SPDX-License-Identifier: GPL-2.0
//! The notes of `mdp2p bench`: sentences below its table, and advice in its errors.
//!
//! Tests: tests/bench.rs.

use nix::errno::Errno;

use super::report::BenchReport;
use crate::ui;
use crate::workload::file;
use crate::workload::path_taken::{Moved, PathTaken};
use mdp2p_io::target::{Failure, Operation, Why};
use mdp2p_machine::md::array::Array;

/// Adds advice to `error` if the array refused the I/O.
pub fn with_advice(error: anyhow::Error, array: &Array, operation: Operation) -> anyhow::Error {
    let refused = Why::Errno(Errno::EREMOTEIO);
    let failure = error.downcast_ref::<Failure>();
    let advice = failure
        .filter(|failure| failure.why == refused)
        .and_then(|_| PathTaken::Refused.advice(array, operation));
    match advice {
        Some(advice) => anyhow::anyhow!("{error:#}. {advice}"),
        None => file::with_remedy(error),
    }
}

/// Adds notes to `report` about who copied what was staged.
pub fn add_staging(report: &mut BenchReport) {
    let rows = report.results.iter();
    let notes: Vec<String> = rows
        .filter_map(|row| {
            let counted = row.counted.filter(|counted| counted.staged_bytes > 0)?;
            let cpu = counted.staged_bytes.saturating_sub(counted.engine_bytes);
            Some(format!(
                "{} {}: of {} staged, a DMA engine copied {} and the CPU {}.",
                ui::bytes(row.block_bytes as u64),
                row.operation,
                ui::bytes(counted.staged_bytes),
                ui::bytes(counted.engine_bytes),
                ui::bytes(cpu)
            ))
        })
        .collect();
    match notes.is_empty() {
        true => report.notes.push(
            "Nothing was staged. Name a provider that not all members reach with --provider, or \
             write to raid4, raid5 or raid6."
                .into(),
        ),
        false => report.notes.extend(notes),
    }
}

/// Adds notes to `report` about the path that peer I/O took.
pub fn add(report: &mut BenchReport, array: &Array) {
    for row in &report.results {
        let block = ui::bytes(row.block_bytes as u64);
        let moved = Moved {
            bytes: row.peer.bytes,
            refused: 0,
        };
        if let Some(others) = row
            .counted
            .map(|c| c.bytes_of_others(&moved))
            .filter(|o| *o > 0)
        {
            report.notes.push(format!(
                "Other programs moved {} through peer memory during the {}s of {block}; the counters \
                 include that.",
                ui::bytes(others),
                row.operation
            ));
        }
    }
    for row in &report.results {
        let reasons = row.path_taken.reasons(array, report.provider.address);
        let advice = row.path_taken.advice(array, row.operation);
        for note in reasons.into_iter().chain(advice) {
            if !report.notes.contains(&note) {
                report.notes.push(note);
            }
        }
    }
}
