// SPDX-License-Identifier: GPL-2.0
//! `mdp2p bench`: measures peer memory and host memory in turns.
//!
//! Tests: tests/bench.rs.

pub mod notes;
mod options;
pub mod plot;
mod print;
mod raw;
mod report;
mod sizes;
mod turns;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::command::Command;
use crate::ui;
use crate::workload::provider::{self, Provider};
use crate::workload::site::{Mode, Site};
use crate::workload::subject::Subject;
use mdp2p_io::memory::{Memory, PAGE};
use mdp2p_machine::md::array::{self, Array};
use mdp2p_machine::sysroot::Sysroot;
use mdp2p_machine::virtual_machine;
pub use options::Bench;
pub use report::{BenchReport, Figures, Measurement};
use turns::Turns;

impl Command for Bench {
    fn changes(&self) -> bool {
        !self.dry_run
    }

    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        // Checks this first, because measuring takes minutes.
        if let Some(path) = &self.svg {
            check_svg_path(path)?;
        }
        let report = report(sysroot, self)?;
        if self.json {
            ui::json(&report)?;
        } else {
            report.print()?;
        }
        if let Some(path) = self.svg.as_ref().filter(|_| !self.dry_run) {
            fs::write(path, plot::svg(&report)?).with_context(|| path.display().to_string())?;
        }
        Ok(0)
    }
}

/// Bytes of the file that `--write-file` makes, if there is room.
const FILE: u64 = 1 << 30;

/// Fails if no file can be made at the path of `--svg`.
fn check_svg_path(path: &Path) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    if path.is_dir() || !folder.is_dir() {
        bail!(
            "--svg {}: name a file in an existing folder",
            path.display()
        );
    }
    Ok(())
}

/// Measures, unless it is a dry run, and returns the report.
///
/// # Errors
/// If the array or the provider does not exist, is in use or has no room, or if an I/O fails.
pub fn report(sysroot: &Sysroot, options: &Bench) -> Result<BenchReport> {
    let array = array::find(sysroot, &options.array)?;
    let provider = pick_provider(sysroot, &array, options)?;
    let write_file = options.write_file.as_deref();
    let site = Site::survey(sysroot, &array, write_file, options.destructive)?;
    let bytes = match site.mode {
        // Leaves room for other writers.
        Mode::WriteFile => options.file_size.unwrap_or(FILE.min(site.bytes / 4)),
        Mode::ReadOnly | Mode::Destructive => site.bytes,
    };
    let bytes = bytes - bytes % PAGE as u64;
    sizes::check_sectors(sysroot, &array, &options.block_size)?;
    let sizes = sizes::fit(&provider, options, bytes)?;
    let mut report = BenchReport {
        subject: Subject::of(&array),
        mode: site.mode,
        path: site.path.clone(),
        bytes,
        dry_run: options.dry_run,
        seconds: options.seconds.as_secs_f64(),
        virtual_machine: virtual_machine::vendor(sysroot),
        provider,
        raw: None,
        results: Vec::new(),
        notes: sizes.notes,
    };
    if options.dry_run {
        report.notes.extend(site.loss(&array));
        return Ok(report);
    }
    let what = "blocks at random places of it will be overwritten";
    site.confirm(&array, what, options.yes)?;
    let open = site.open(sysroot, &array, bytes)?;
    let turns = Turns {
        sysroot,
        array: &array,
        site: &open,
        memory: Memory::Peer(report.provider.address),
        bytes,
        time: options.seconds,
        bar: turns::bar(&sizes.rooms, site.mode, options.seconds),
    };
    if options.staging {
        report.raw = Some(raw::measure(sysroot, &report.provider, options.seconds)?);
    }
    if site.mode == Mode::WriteFile {
        turns.fill()?;
    }
    for room in sizes.rooms {
        for operation in turns::operations(site.mode) {
            let row = turns.measure(room, *operation);
            report
                .results
                .push(row.map_err(|error| notes::with_advice(error, &array, *operation))?);
        }
    }
    turns.bar.finish_and_clear();
    notes::add(&mut report, &array);
    if options.staging {
        notes::add_staging(&mut report);
    }
    Ok(report)
}

/// Returns the provider of `--provider`, or the nearest one.
fn pick_provider(sysroot: &Sysroot, array: &Array, options: &Bench) -> Result<Provider> {
    let all = provider::all(sysroot, array)?;
    match options.provider {
        None if options.staging => provider::farthest(&all),
        None => provider::nearest(&all, &array.name),
        Some(address) => {
            let mut named = provider::select(all, &[address])?;
            Ok(named.remove(0))
        }
    }
}
