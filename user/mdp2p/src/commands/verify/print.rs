// SPDX-License-Identifier: GPL-2.0
//! Prints the report of `mdp2p verify` for people.
//!
//! Tests: those below and tests/verify.rs.

use std::io::Write;

use anyhow::Result;

use super::report::{Data, Trial, VerifyReport};
use crate::ui::{self, BAD, GOOD, WARNING, styled};
use crate::workload::path_taken::PathTaken;
use crate::workload::provider::Provider;
use crate::workload::site::Mode;
use mdp2p_machine::pci::bdf::Bdf;

impl Trial {
    fn cells(&self, distance: String) -> Vec<String> {
        let style = match self.data {
            Data::Right => GOOD,
            Data::Changed => WARNING,
            Data::Failed | Data::NoMemory | Data::Wrong => BAD,
        };
        let sum = self.sha256.as_deref().and_then(|sum| sum.get(..8));
        vec![
            self.provider.to_string(),
            distance,
            self.operation.to_string(),
            ui::bytes(self.bytes),
            self.path_taken.styled(),
            styled(style, self.data),
            sum.unwrap_or_default().to_owned(),
        ]
    }

    /// Returns a line for each problem.
    fn problems(&self) -> Vec<String> {
        let mut lines = self.details.clone();
        let more = (self.wrong + self.failed).saturating_sub(lines.len() as u64);
        match (lines.is_empty(), more) {
            (_, 0) => {}
            (true, _) => lines.push(format!("{more} blocks differ from what host memory saw")),
            (false, _) => lines.push(format!("and {more} more")),
        }
        let (provider, operation) = (self.provider, self.operation);
        let lines = lines.into_iter();
        lines
            .map(|line| format!("{provider} {operation}: {line}"))
            .collect()
    }

    /// Returns a line about how much went each way, unless all of it went the same way.
    fn shares(&self) -> Option<String> {
        let counted = self.counted.filter(|_| {
            matches!(
                self.path_taken,
                PathTaken::PartlyStaged | PathTaken::PartlyRefused | PathTaken::NotCounted
            )
        })?;
        Some(format!(
            "{} {}: {} direct, {} staged, {} I/Os refused",
            self.provider,
            self.operation,
            ui::bytes(counted.direct_bytes),
            ui::bytes(counted.staged_bytes),
            counted.refused_ios
        ))
    }
}

impl VerifyReport {
    pub(super) fn print(&self) -> Result<()> {
        let mut out = ui::out();
        writeln!(out, "{}", self.subject.heading())?;
        if self.dry_run {
            write!(out, "{}", self.plan())?;
        } else {
            write!(out, "\n{}", self.table())?;
        }
        let rows = || self.results.iter();
        let shares = rows().filter_map(Trial::shares);
        let lines: Vec<String> = rows().flat_map(Trial::problems).chain(shares).collect();
        for paragraph in [&lines, &self.notes] {
            if !paragraph.is_empty() {
                writeln!(out)?;
            }
            for line in paragraph {
                writeln!(out, "{line}")?;
            }
        }
        Ok(())
    }

    /// Describes what a run without `--dry-run` would do.
    fn plan(&self) -> String {
        let path = self.path.display();
        let bytes = ui::bytes(self.bytes);
        let pieces = match self.pieces {
            1 => String::new(),
            pieces => format!(" in {pieces} pieces spread over it"),
        };
        let what = match self.mode {
            Mode::ReadOnly => format!(
                "would read {bytes} of {path}{pieces}, through peer and host memory, and compare them"
            ),
            Mode::WriteFile => format!(
                "would create {path} with {bytes}, write it through peer memory and read it back \
                 through host memory, then the other way round, and remove it"
            ),
            Mode::Destructive => format!(
                "would overwrite {bytes} of {path}{pieces} through peer memory and read them back \
                 through host memory, then the other way round; the data there are lost"
            ),
        };
        let mut plan = what + "\nproviders:\n";
        for provider in &self.providers {
            plan += &format!(
                "  {}: distance {}; {} of {} available\n",
                provider.address,
                provider.distance_range(),
                ui::bytes(provider.available_bytes),
                ui::bytes(provider.bytes)
            );
        }
        plan
    }

    fn table(&self) -> String {
        let distance = |address: Bdf| {
            let mut all = self.providers.iter();
            let provider = all.find(|provider| provider.address == address);
            provider.map(Provider::distance_range).unwrap_or_default()
        };
        let heads = [
            "PROVIDER", "DISTANCE", "I/O", "BYTES", "WENT", "DATA", "SHA-256",
        ];
        let rows = self.results.iter();
        ui::table(
            &heads,
            rows.map(|row| row.cells(distance(row.provider))),
            &[3],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::tally::{Tally, tests::row};
    use super::*;

    #[test]
    fn the_widest_row_fits_80_columns() {
        let mut tally = Tally::default();
        tally.add_peer_io(1023 << 10, Ok(()));
        let mut row = row(tally);
        row.path_taken = PathTaken::PartlyRefused;
        row.data = Data::Changed;
        let table = ui::table(&[""; 7], [row.cells("unreachable".to_owned())], &[3]);
        let plain = anstream::adapter::strip_str(&table).to_string();
        let widest = plain.lines().map(|line| line.chars().count()).max();
        assert!(
            widest.is_some_and(|widest| (60..=80).contains(&widest)),
            "{plain}"
        );
    }

    #[test]
    fn the_staged_share_is_described() {
        let mut tally = Tally::default();
        tally.add_peer_io(1024, Ok(()));
        let row = row(tally);
        assert_eq!(
            (row.data, row.path_taken),
            (Data::Right, PathTaken::PartlyStaged)
        );
        let shares = row.shares().expect("not all of it was one");
        assert_eq!(
            shares,
            "0000:04:00.0 read: 512 B direct, 512 B staged, 0 I/Os refused"
        );
    }
}
