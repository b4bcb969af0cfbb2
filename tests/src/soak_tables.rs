// SPDX-License-Identifier: GPL-2.0
//! Sums up a ledger: the cases that were run at each commit, and how often cases failed.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;

use crate::ledger::{Entry, Record, Verdict};

#[derive(Default)]
struct Runs {
    passed: usize,
    failed: usize,
    skipped: usize,
    seconds: u64,
    /// The names of the cases. A case may have several runs.
    cases: HashSet<String>,
    /// The commit at which the case failed last.
    failed_at: String,
}

impl Runs {
    fn add(&mut self, entry: &Entry) {
        match entry.result {
            Verdict::Passed => self.passed += 1,
            Verdict::Skipped => self.skipped += 1,
            Verdict::Failed => {
                self.failed += 1;
                self.failed_at.clone_from(&entry.commit);
            }
        }
        self.seconds += entry.seconds;
        self.cases.insert(entry.case.clone());
    }
}

/// Returns two tables. The first has the runs by commit, kernel and kind, in the order in which
/// these began. The second has the cases that ever failed, and how often.
pub fn tables(record: &Record) -> String {
    let mut kinds = Vec::new();
    let mut sums: BTreeMap<_, Runs> = BTreeMap::new();
    let mut cases: BTreeMap<_, Runs> = BTreeMap::new();
    for entry in &record.entries {
        let kind = entry.case.split('/').next().unwrap_or_default();
        let key = (entry.commit.as_str(), entry.kernel.as_str(), kind);
        if !sums.contains_key(&key) {
            kinds.push(key);
        }
        sums.entry(key).or_default().add(entry);
        let case = (entry.case.as_str(), entry.kernel.as_str());
        cases.entry(case).or_default().add(entry);
    }
    let sums = kinds.iter().map(|key| {
        let runs = &sums[key];
        let numbers = [runs.cases.len(), runs.passed, runs.failed, runs.skipped];
        let words = [key.0, key.1, key.2].map(str::to_owned).into_iter();
        let numbers = numbers.iter().map(ToString::to_string);
        words.chain(numbers).chain([time(runs.seconds)]).collect()
    });
    let head = "COMMIT KERNEL KIND CASES PASSED FAILED SKIPPED TIME";
    let mut text = table(head, 3, sums);
    let failures = cases.iter().filter(|(_, runs)| runs.failed > 0);
    let failures = failures.map(|((case, kernel), runs)| {
        let often = format!("{}/{}", runs.failed, runs.passed + runs.failed);
        vec![
            (*case).to_owned(),
            (*kernel).to_owned(),
            runs.failed_at.clone(),
            often,
        ]
    });
    text.push('\n');
    text.push_str(&table("CASE KERNEL LAST-FAILED-AT FAILED", 3, failures));
    if record.broken > 0 {
        let _ = writeln!(text, "\nlines that are no entries: {}", record.broken);
    }
    text
}

fn time(seconds: u64) -> String {
    format!(
        "{}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// Aligns columns. The columns from `right` on are numbers.
fn table(head: &str, right: usize, lines: impl Iterator<Item = Vec<String>>) -> String {
    let head: Vec<String> = head.split(' ').map(str::to_owned).collect();
    let lines: Vec<Vec<String>> = [head].into_iter().chain(lines).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max();
    let widths: Vec<usize> = (0..lines[0].len()).filter_map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, &width))| match column < right {
                true => format!("{cell:<width$}"),
                false => format!("{cell:>width$}"),
            })
            .collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(commit: &str, case: &str, result: Verdict) -> Entry {
        Entry {
            commit: commit.to_owned(),
            kernel: "7.3".to_owned(),
            case: case.to_owned(),
            seed: 0,
            result,
            seconds: 1810,
        }
    }

    #[test]
    fn runs_are_counted_by_commit_and_kind_and_failures_by_case() {
        let record = Record {
            entries: vec![
                entry("b1", "scenarios/mix/split", Verdict::Failed),
                entry("b1", "scenarios/mix/split", Verdict::Passed),
                entry("b1", "build/modules", Verdict::Skipped),
                entry("a2", "scenarios/mix/split", Verdict::Passed),
            ],
            broken: 1,
        };
        let expected = "\
COMMIT  KERNEL  KIND       CASES  PASSED  FAILED  SKIPPED     TIME
b1      7.3     scenarios      1       1       1        0  1:00:20
b1      7.3     build          1       0       0        1  0:30:10
a2      7.3     scenarios      1       1       0        0  0:30:10

CASE                 KERNEL  LAST-FAILED-AT  FAILED
scenarios/mix/split  7.3     b1                 1/3

lines that are no entries: 1
";
        assert_eq!(tables(&record), expected);
    }

    #[test]
    fn an_empty_ledger_has_no_runs() {
        assert_eq!(tables(&Record::default()).lines().count(), 3);
    }
}
