// SPDX-License-Identifier: GPL-2.0
//! Prints the report of `mdp2p bench` for people.
//!
//! Tests: those below and tests/bench.rs.

use std::io::Write;

use anyhow::Result;

use super::raw::Raw;
use super::report::{BenchReport, Figures, Measurement};
use crate::ui::{self, WARNING, styled};
use crate::workload::site::Mode;

/// Formats a number with three digits, or with all digits before the point if there are more.
pub fn three_digits(number: f64) -> String {
    match number {
        number if number < 9.995 => format!("{number:.2}"),
        number if number < 99.95 => format!("{number:.1}"),
        number => format!("{number:.0}"),
    }
}

impl BenchReport {
    pub(super) fn print(&self) -> Result<()> {
        let mut out = ui::out();
        writeln!(out, "{}", self.heading())?;
        if let Some(warning) = self.warning() {
            writeln!(out, "{}", styled(WARNING, warning))?;
        }
        if self.dry_run {
            writeln!(out, "{}", self.plan())?;
        } else {
            if let Some(raw) = &self.raw {
                write!(out, "\n{}", raw_table(raw))?;
            }
            write!(out, "\n{}", self.table())?;
            writeln!(
                out,
                "\nP50, P99: microseconds. CPU: seconds of mdp2p per GiB. ALL CPU: seconds of the \
                 whole\nmachine per GiB, including kernel workers and other load. RATIO: peer \
                 divided by host."
            )?;
        }
        for note in &self.notes {
            writeln!(out, "{note}")?;
        }
        Ok(())
    }

    fn plan(&self) -> String {
        let (path, bytes) = (self.path.display(), ui::bytes(self.bytes));
        let what = match self.mode {
            Mode::ReadOnly => format!("read blocks anywhere in {path} ({bytes})"),
            Mode::WriteFile => format!(
                "create {path} with {bytes}, read and write blocks anywhere in it, and remove it"
            ),
            Mode::Destructive => format!(
                "read and overwrite blocks anywhere in {path} ({bytes}); the data there are lost"
            ),
        };
        format!(
            "would {what}, {} s for each size, operation and memory, peer and host memory in turn",
            self.seconds
        )
    }

    fn table(&self) -> String {
        let heads = [
            "BLOCK", "I/O", "MEMORY", "MiB/s", "P50", "P99", "CPU", "ALL CPU", "RATIO", "WENT",
        ];
        let rows = self.results.iter().flat_map(Measurement::cells);
        ui::table(&heads, rows, &[3, 4, 5, 6, 7, 8])
    }
}

/// Returns a table with a line for each width.
fn raw_table(rows: &[Raw]) -> String {
    let rate = |bytes: f64| three_digits(bytes / f64::from(1 << 20));
    let cells = rows.iter().map(|row| {
        vec![
            format!("{} bytes", row.width),
            rate(row.load_bytes_per_second),
            rate(row.store_bytes_per_second),
        ]
    });
    let heads = ["CPU ITSELF", "LOADS, MiB/s", "STORES, MiB/s"];
    ui::table(&heads, cells, &[1, 2])
}

impl Measurement {
    fn cells(&self) -> [Vec<String>; 2] {
        let line = |first: [String; 3], figures: &Figures, last: [String; 2]| {
            let cells = first.into_iter().chain(figures.cells());
            cells.chain(last).collect()
        };
        let block = ui::bytes(self.block_bytes as u64);
        let none = String::new;
        let ratio = self.ratio.map_or_else(none, |ratio| format!("{ratio:.2}"));
        [
            line(
                [block, self.operation.to_string(), "host".to_owned()],
                &self.host,
                [none(), none()],
            ),
            line(
                [none(), none(), "peer".to_owned()],
                &self.peer,
                [ratio, self.path_taken.styled()],
            ),
        ]
    }
}

impl Figures {
    fn cells(&self) -> Vec<String> {
        vec![
            three_digits(self.bytes_per_second / f64::from(1 << 20)),
            three_digits(self.p50_us),
            three_digits(self.p99_us),
            three_digits(self.cpu_seconds_per_gib),
            three_digits(self.machine_cpu_seconds_per_gib),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::path_taken::{Counted, PathTaken};
    use mdp2p_io::target::Operation;

    #[test]
    fn numbers_have_three_digits() {
        for (number, text) in [
            (0.0, "0.00"),
            (0.123, "0.12"),
            (9.996, "10.0"),
            (99.96, "100"),
            (12345.6, "12346"),
        ] {
            assert_eq!(three_digits(number), text);
        }
    }

    #[test]
    fn a_table_has_a_line_for_each_memory_and_fits_80_columns() {
        let figures = Figures {
            bytes: 1 << 30,
            ios: 1,
            seconds: 1.0,
            bytes_per_second: 12.0e9,
            p50_us: 12345.0,
            p99_us: 99999.0,
            cpu_seconds_per_gib: 0.05,
            machine_cpu_seconds_per_gib: 12.3,
        };
        let row = Measurement {
            block_bytes: 256 << 10,
            operation: Operation::Write,
            depth: 4,
            host: figures,
            peer: figures,
            ratio: Some(1.0),
            path_taken: PathTaken::PartlyStaged,
            counted: Some(Counted::default()),
        };
        let table = ui::table(
            &["BLOCK"],
            row.cells().map(|cells| cells[..1].to_vec()),
            &[],
        );
        assert_eq!(table.lines().count(), 3);
        let heads = [""; 10];
        let table = ui::table(&heads, row.cells(), &[]);
        let plain = anstream::adapter::strip_str(&table).to_string();
        let widest = plain.lines().map(|line| line.chars().count()).max();
        assert!(widest.is_some_and(|widest| widest <= 80), "{plain}");
    }
}
