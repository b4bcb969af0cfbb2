// SPDX-License-Identifier: GPL-2.0
//! `mdp2p stats`: shows which way the bytes went, since the start or in each interval.
//!
//! Tests: those below and tests/stats.rs.

mod prometheus;

use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use serde::Serialize;

use crate::arguments::seconds;
use crate::command::Command;
use crate::completions;
use crate::counters::presentation::{COLUMNS, who_copied};
use crate::counters::rate::ArrayCounts;
use crate::counters::sample::{ProviderMemory, Sample, Selection};
use crate::ui::{self, styled};
use clap::Args;
use mdp2p_machine::sysroot::Sysroot;

/// `mdp2p stats`
#[derive(Args, Debug)]
#[command(after_help = "\
Without --watch the counts are those since each array was started. With --watch they are those of \
each interval.

Examples:
  mdp2p stats
  mdp2p stats md0 --watch 1
  mdp2p stats --prometheus >/var/lib/prometheus/node-exporter/mdp2p.prom.new &&
    mv /var/lib/prometheus/node-exporter/mdp2p.prom.new /var/lib/prometheus/node-exporter/mdp2p.prom")]
pub struct Stats {
    /// Arrays to show [default: all arrays of md-p2p]
    #[arg(value_name = "ARRAY", add = completions::array())]
    pub arrays: Vec<String>,
    /// Print again every SECONDS seconds
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = seconds)]
    pub watch: Option<Duration>,
    /// Print JSON; with --watch, one line for each interval
    #[arg(long)]
    pub json: bool,
    /// Print metrics for node_exporter's textfile collector
    #[arg(long, conflicts_with_all = ["json", "watch"])]
    pub prometheus: bool,
}

impl Command for Stats {
    fn changes(&self) -> bool {
        false
    }

    // Who watches would not see a warning that comes at the end.
    fn tolerates(&self) -> bool {
        self.watch.is_none()
    }

    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        let selection = Selection::of(sysroot, &self.arrays)?;
        if let Some(interval) = self.watch {
            return watch(sysroot, &selection, interval, self.json);
        }
        let sample = Sample::take(sysroot, &selection)?;
        if self.json {
            ui::json(&sample)?;
            return Ok(0);
        }
        let mut out = ui::out();
        if self.prometheus {
            write!(out, "{}", prometheus::text(&sample))?;
        } else {
            print_page(
                &mut out,
                "Bytes since each array was started:",
                &sample.arrays,
            )?;
        }
        out.flush()?;
        Ok(0)
    }
}

/// Prints what is counted in each interval, until that fails.
fn watch(sysroot: &Sysroot, selection: &Selection, interval: Duration, json: bool) -> Result<u8> {
    let mut before = Sample::take(sysroot, selection)?;
    let mut due = before.at;
    loop {
        due += interval;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let sample = Sample::take(sysroot, selection)?;
        let (arrays, elapsed) = sample.since(&before);
        let time = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        if json {
            print_line(time, elapsed, arrays, sample.providers.clone())?;
        } else {
            let (clock, seconds) = (clock(time), elapsed.as_secs_f64());
            let heading = format!("{clock}, per second, over {seconds:.1} s:");
            let mut out = ui::out();
            print_page(&mut out, &heading, &arrays)?;
            writeln!(out)?;
            out.flush()?;
        }
        // Intervals that passed while nobody read the output are not made up for.
        if sample.at > due + interval {
            due = sample.at;
        }
        before = sample;
    }
}

/// Prints one line of JSON.
fn print_line(
    time: Duration,
    elapsed: Duration,
    arrays: Vec<ArrayCounts>,
    providers: Vec<ProviderMemory>,
) -> Result<()> {
    #[derive(Serialize)]
    struct WatchLine {
        version: u32,
        time: f64,
        interval_seconds: f64,
        arrays: Vec<ArrayCounts>,
        providers: Vec<ProviderMemory>,
    }
    let line = WatchLine {
        version: ui::JSON_VERSION,
        time: time.as_millis() as f64 / 1000.0,
        interval_seconds: elapsed.as_secs_f64(),
        arrays,
        providers,
    };
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, &line).map_err(io::Error::from)?;
    writeln!(out)?;
    out.flush()?;
    Ok(())
}

/// Prints a page for people.
fn print_page(out: &mut impl Write, heading: &str, arrays: &[ArrayCounts]) -> io::Result<()> {
    if arrays.is_empty() {
        return writeln!(out, "No arrays of md-p2p.");
    }
    writeln!(out, "{}", styled(ui::DIM, heading))?;
    write!(out, "{}", table(arrays))?;
    for array in arrays {
        if let Some(text) = who_copied(array.per_second.as_ref().unwrap_or(&array.counted)) {
            writeln!(out, "{}: staged {text}", array.name)?;
        }
    }
    Ok(())
}

/// Returns a table with a row for each array, followed by a row for each of its members.
fn table(arrays: &[ArrayCounts]) -> String {
    let mut heads = vec!["ARRAY"];
    heads.extend(COLUMNS.iter().map(|column| column.head));
    let mut rows = Vec::new();
    for array in arrays {
        let count = array.per_second.unwrap_or(array.counted);
        let mut row = vec![array.name.clone()];
        row.extend(COLUMNS.iter().map(|column| (column.array)(&count)));
        rows.push(row);
        for member in &array.members {
            let count = member.per_second.unwrap_or(member.counted);
            let mut row = vec![format!(" {}", member.name)];
            row.extend(COLUMNS.iter().map(|column| (column.member)(&count)));
            rows.push(row);
        }
    }
    let right: Vec<usize> = (1..heads.len()).collect();
    ui::table(&heads, rows, &right)
}

/// Returns the time of day, in UTC, of a time since 1970.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_day_is_that_of_greenwich() {
        assert_eq!(clock(Duration::from_secs(1_795_579_143)), "03:59:03 UTC");
        assert_eq!(clock(Duration::ZERO), "00:00:00 UTC");
    }
}
