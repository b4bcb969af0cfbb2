// SPDX-License-Identifier: GPL-2.0
//! Compares two files of `mdp2p bench --save`.
//!
//! Tests: tests/bench.rs.

use super::print::three_digits;
use super::report::ratio;
use super::saved::Saved;
use crate::ui::{self, WARNING, styled};
use mdp2p_machine::text::shown;

/// A figure of a file: what it is of, and how many bytes per second.
type Rate = (String, f64);

/// Returns a table of all figures that both files have, and what else is to be known.
pub fn text(first: &Saved, second: &Saved) -> String {
    let [ours, theirs] = [first, second].map(rates);
    let other = |what: &str| theirs.iter().find(|(other, _)| other == what);
    let both = ours.iter().filter_map(|one| Some((one, other(&one.0)?)));
    let rows: Vec<Vec<String>> = both.map(|(one, other)| row(one, other)).collect();
    let mut text = String::new();
    for (name, saved) in [("A", first), ("B", second)] {
        for line in ui::wrapped(&format!("{name}: {}", saved.heading()), ui::width()) {
            text += &format!("{line}\n");
        }
    }
    for warning in warnings(first, second) {
        text += &format!("{}\n", styled(WARNING, warning));
    }
    let left_out = ours.len() + theirs.len() - 2 * rows.len();
    if rows.is_empty() {
        text += "\nThe files have no measurement in common.\n";
    } else {
        let heads = ["WHAT", "A, MiB/s", "B, MiB/s", "B / A"];
        text += &format!("\n{}", ui::table(&heads, rows, &[1, 2, 3]));
    }
    if left_out > 0 {
        let figures = ui::count(left_out, "figure");
        text += &format!("Left out: {figures} that only one of the files has.\n");
    }
    text
}

fn row((what, one): &Rate, (_, other): &Rate) -> Vec<String> {
    let rate = |bytes: &f64| three_digits(bytes / f64::from(1 << 20));
    let ratio = ratio(*other, *one).map_or_else(|| "-".into(), |ratio| format!("{ratio:.2}"));
    vec![what.clone(), rate(one), rate(other), ratio]
}

/// Returns all figures of a file. What is measured in another way has another name.
fn rates(saved: &Saved) -> Vec<Rate> {
    let results = saved.results.iter().map(|row| {
        let what = format!(
            "{} {} x {}, {} memory",
            ui::bytes(row.block_bytes),
            row.operation,
            row.depth,
            row.memory
        );
        (shown(&what).into_owned(), row.bytes_per_second)
    });
    let raw = saved.raw.iter().flat_map(|row| {
        let width = row.width;
        [
            (
                format!("CPU, loads of {width} bytes"),
                row.load_bytes_per_second,
            ),
            (
                format!("CPU, stores of {width} bytes"),
                row.store_bytes_per_second,
            ),
        ]
    });
    results.chain(raw).collect()
}

/// Says why a comparison may mislead.
fn warnings(first: &Saved, second: &Saved) -> Vec<String> {
    let mut warnings = Vec::new();
    let both = [first, second];
    if both.iter().any(|it| it.machine.virtual_machine.is_some()) {
        warnings.push("Figures of a virtual machine mean nothing.".into());
    }
    let paths = both.map(|saved| {
        let mut paths: Vec<&str> = saved
            .results
            .iter()
            .filter_map(|it| it.went.as_deref())
            .collect();
        paths.sort_unstable();
        paths.dedup();
        paths
    });
    if paths[0] != paths[1] {
        let [a, b] = paths.map(ui::list);
        let text = format!("Peer I/O took other paths. A: {a}. B: {b}.");
        warnings.push(shown(&text).into_owned());
    }
    warnings
}
