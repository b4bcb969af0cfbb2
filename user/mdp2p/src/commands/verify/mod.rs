// SPDX-License-Identifier: GPL-2.0
//! `mdp2p verify`: moves data through peer memory and through host memory, compares, and
//! tells from the counters which way they went.

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

/// Bytes of an I/O, and how many are under way at a time: little, since p2pmem is for
/// applications.
const BLOCK: usize = 64 << 10;
const DEPTH: usize = 4;

/// Moves the data, if it is no dry run.
///
/// # Errors
/// If that cannot even begin: the array or the provider is not there, or the array is in use.
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
    let what = format!("{} of it are overwritten, all over it", ui::bytes(bytes));
    site.confirm(&array, &what, options.yes)?;
    let place = site.open(sysroot, &array, bytes)?;
    let work = Comparison {
        sysroot,
        array: &array,
        place: &place,
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
