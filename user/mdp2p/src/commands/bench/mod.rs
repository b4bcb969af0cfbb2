// SPDX-License-Identifier: GPL-2.0
//! `mdp2p bench`: measures peer memory and host memory in turns.
//!
//! Tests: tests/bench.rs.

mod compare;
pub mod notes;
mod options;
pub mod plot;
mod print;
mod raw;
mod report;
pub mod saved;
mod sizes;
mod turns;

use std::fs;
use std::io::Write;
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
use saved::Saved;
use turns::Turns;

impl Command for Bench {
    fn changes(&self) -> bool {
        !self.dry_run && self.compare.len() != 2
    }

    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        // Checks this first, because measuring takes minutes.
        for (option, path) in [("--svg", &self.svg), ("--save", &self.save)] {
            if let Some(path) = path {
                check_path(option, path)?;
            }
        }
        let mut others = self.compare.iter().map(|path| Saved::read(path));
        let other = others.next().transpose()?;
        if let (Some(first), Some(second)) = (&other, others.next().transpose()?) {
            return compare_files(self, first, &second);
        }
        let report = report(sysroot, self)?;
        if self.json {
            ui::json(&report)?;
        } else {
            report.print()?;
        }
        if self.save.is_some() || other.is_some() {
            let saved = Saved::of(sysroot, &array::find(sysroot, self.array()?)?, &report)?;
            if let Some(path) = &self.save {
                saved.write(path)?;
            }
            if let Some(other) = other {
                writeln!(ui::out(), "\n{}", compare::text(&other, &saved))?;
            }
        }
        if let Some(path) = self.svg.as_ref().filter(|_| !self.dry_run) {
            fs::write(path, plot::svg(&report)?).with_context(|| path.display().to_string())?;
        }
        Ok(0)
    }
}

/// Bytes of the file that `--write-file` makes, if there is room.
const FILE: u64 = 1 << 30;

impl Bench {
    /// Returns the array that is to be measured.
    fn array(&self) -> Result<&str> {
        let array = self.array.as_deref();
        array.context("--compare: name an array before it, or a second file after it")
    }
}

/// Compares two files with each other. Nothing is measured.
fn compare_files(options: &Bench, first: &Saved, second: &Saved) -> Result<u8> {
    if let Some(array) = &options.array {
        bail!(
            "--compare: two files are compared with each other; leave out {array} or one of them"
        );
    }
    if options.save.is_some() || options.svg.is_some() {
        bail!("--compare: nothing is measured, so leave out --save and --svg, or the second file");
    }
    ui::print(&compare::text(first, second))?;
    Ok(0)
}

/// Fails if no file can be made at the path of an option.
fn check_path(option: &str, path: &Path) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    if path.is_dir() || !folder.is_dir() {
        bail!(
            "{option} {}: name a file in an existing folder",
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
    let array = array::find(sysroot, options.array()?)?;
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
