// SPDX-License-Identifier: GPL-2.0
//! The notes of `mdp2p verify`: sentences below its table.
//!
//! Tests: tests/verify.rs.

use anyhow::Result;

use super::report::{Data, Trial};
use crate::ui;
use crate::workload::path_taken::Moved;
use crate::workload::uses;
use mdp2p_machine::md::array::Array;
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::sysroot::Sysroot;

/// Returns the notes about all trials, each note once.
pub fn of(sysroot: &Sysroot, array: &Array, rows: &[Trial]) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    for row in rows {
        notes.extend(row.path_taken.reasons(array, row.provider));
        notes.extend(row.path_taken.advice(array, row.operation));
        notes.extend(bytes_of_others(row).map(|bytes| {
            format!(
                "Other programs moved {} through peer memory at the same time; the counters of {} \
                 include that.",
                ui::bytes(bytes),
                array.name
            )
        }));
    }
    if rows.iter().any(|row| row.data == Data::Changed) {
        notes.push(format!(
            "{} changed while it was read, so the comparison proves nothing: try again while it is \
             idle.",
            array.name
        ));
    }
    let uses = uses::of(sysroot, array)?;
    if rows.iter().any(|row| row.data == Data::Wrong) && !uses.is_empty() {
        notes.push(format!(
            "{} is in use ({}), so its data may just have changed: try again while it is idle.",
            array.name,
            uses.join(", ")
        ));
    }
    notes.extend(no_memory(rows));
    let mut seen = Vec::new();
    notes.retain(|note| {
        let new = !seen.contains(note);
        seen.push(note.clone());
        new
    });
    Ok(notes)
}

/// Returns the note about providers that had no memory left, if there are such providers.
pub fn no_memory(rows: &[Trial]) -> Option<String> {
    let rows = rows.iter().filter(|row| row.data == Data::NoMemory);
    let mut providers: Vec<Bdf> = rows.map(|row| row.provider).collect();
    providers.dedup();
    (!providers.is_empty()).then(|| {
        format!(
            "This run is incomplete: nothing could be moved through the memory of {}.",
            ui::list(providers)
        )
    })
}

fn bytes_of_others(trial: &Trial) -> Option<u64> {
    let moved = Moved {
        bytes: trial.bytes,
        refused: 0,
    };
    let others = trial.counted?.bytes_of_others(&moved);
    (others > 0).then_some(others)
}
