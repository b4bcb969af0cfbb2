// SPDX-License-Identifier: GPL-2.0
//! `mdp2p verify`: moves data through peer memory and through host memory, and compares them.
//! The counters of the array tell which path the data took.
//!
//! Tests: tests/verify.rs.

mod block;
mod comparison;
mod notes;
mod options;
mod print;
mod report;
mod tally;

use anyhow::Result;

use crate::command::Command;
use crate::ui;
use crate::workload::pieces;
use crate::workload::provider::{self, Room};
use crate::workload::site::{Mode, Site};
use crate::workload::subject::Subject;
use comparison::Comparison;
use mdp2p_machine::md::array;
use mdp2p_machine::sysroot::Sysroot;
pub use options::Verify;
pub use report::{Data, Trial, VerifyReport};

impl Command for Verify {
    fn changes(&self) -> bool {
        !self.dry_run
    }

    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        let report = report(sysroot, self)?;
        if self.json {
            ui::json(&report)?;
        } else {
            report.print()?;
        }
        Ok(u8::from(!report.is_right()))
    }
}

/// Bytes of one I/O, and how many I/Os are in flight. Both are small, because p2pmem is meant
/// for applications.
const BLOCK: usize = 64 << 10;
const DEPTH: usize = 4;

/// Moves the data, unless it is a dry run, and returns what was found.
///
/// # Errors
/// If nothing can be moved: the array or the provider does not exist, or the array is in use.
pub fn report(sysroot: &Sysroot, options: &Verify) -> Result<VerifyReport> {
    let array = array::find(sysroot, &options.array)?;
    let providers = provider::select(provider::all(sysroot, &array)?, &options.provider)?;
    let site = Site::survey(
        sysroot,
        &array,
        options.write_file.as_deref(),
        options.destructive,
    )?;
    let pieces = match site.mode {
        Mode::WriteFile => std::iter::once(0..options.size).collect(),
        _ => pieces::spread(site.bytes, options.size, &array),
    };
    let bytes = pieces.iter().map(|piece| piece.end - piece.start).sum();
    let rooms = providers.iter().map(|one| one.room_or_less(BLOCK, DEPTH));
    let rooms: Vec<Option<Room>> = rooms.collect();
    let mut report = VerifyReport {
        subject: Subject::of(&array),
        mode: site.mode,
        path: site.path.clone(),
        dry_run: options.dry_run,
        bytes,
        pieces: pieces.len(),
        providers,
        results: Vec::new(),
        notes: Vec::new(),
    };
    if options.dry_run || rooms.iter().all(Option::is_none) {
        let without = report.providers.iter().zip(&rooms);
        let without = without.filter(|(_, room)| room.is_none());
        report.results = without
            .flat_map(|(one, _)| Trial::untried(one.address, site.mode, &one.why_no_room(BLOCK)))
            .collect();
        report.notes.extend(site.loss(&array));
        report.notes.extend(notes::no_memory(&report.results));
        return Ok(report);
    }
    let what = format!("{} spread over it will be overwritten", ui::bytes(bytes));
    site.confirm(&array, &what, options.yes)?;
    let open = site.open(sysroot, &array, bytes)?;
    let work = Comparison {
        sysroot,
        array: &array,
        site: &open,
        pieces: &pieces,
        bar: comparison::bar(bytes * rooms.iter().flatten().count() as u64, site.mode),
    };
    for (provider, room) in report.providers.iter().zip(rooms) {
        report.results.extend(match room {
            Some(room) => work.try_provider(provider, room, site.mode)?,
            None => Trial::untried(provider.address, site.mode, &provider.why_no_room(BLOCK)),
        });
    }
    work.bar.finish_and_clear();
    report.notes = notes::of(sysroot, &array, &report.results)?;
    Ok(report)
}
