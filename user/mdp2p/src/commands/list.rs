// SPDX-License-Identifier: GPL-2.0
//! `mdp2p list`: shows each array in a row.
//!
//! Tests: those below and tests/list.rs.

use std::io::Write;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use crate::command::Command;
use crate::status::{level, members, percent, state, state_style};
use crate::ui::{self, styled};
use mdp2p_machine::md::array::{self, Array, Driver, Rebuild};
use mdp2p_machine::sysroot::Sysroot;

/// `mdp2p list`
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  mdp2p list --json | jq -r '.arrays[].name'")]
pub struct List {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl Command for List {
    fn changes(&self) -> bool {
        false
    }

    fn tolerates(&self) -> bool {
        true
    }

    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        #[derive(Serialize)]
        struct Listed {
            arrays: Vec<Array>,
        }
        sysroot.needs(&["sys/block"])?;
        let arrays = array::all(sysroot)?;
        if self.json {
            ui::json(&Listed { arrays })?;
            return Ok(0);
        }
        let mut out = ui::out();
        if arrays.is_empty() {
            let known = sysroot.complaints().is_empty();
            writeln!(
                out,
                "{}",
                if known {
                    "No arrays."
                } else {
                    "No array could be read."
                }
            )?;
            return Ok(0);
        }
        write!(out, "{}", overview(&arrays, ui::width()))?;
        if arrays.iter().any(|array| array.driver == Driver::Md) {
            let note = "md: driven by the kernel's own md, not by md-p2p; see mdp2p detail ARRAY";
            writeln!(out, "\n{}", styled(ui::DIM, note))?;
        }
        out.flush()?;
        Ok(0)
    }
}

/// Returns a row for each array, and below it the reason why its peer I/O is not direct.
fn overview(arrays: &[Array], width: usize) -> String {
    // Leaves the provider out if there is no room, because `mdp2p detail` shows it too.
    let with_provider = table(arrays, true);
    let table = match with_provider.lines().map(visible_width).max() {
        Some(most) if most > width => table(arrays, false),
        _ => with_provider,
    };
    let mut text = String::new();
    for (number, line) in table.lines().enumerate() {
        text += line;
        text += "\n";
        let array = number.checked_sub(1).and_then(|row| arrays.get(row));
        if let Some(reason) = array.and_then(reason) {
            let reason = truncate(reason, width.saturating_sub(2));
            text += &format!("  {}\n", styled(ui::DIM, reason));
        }
    }
    text
}

fn table(arrays: &[Array], with_provider: bool) -> String {
    let provider = |array: &Array| array.p2p.as_ref().and_then(|p2p| p2p.provider);
    let with_provider = with_provider && arrays.iter().any(|array| provider(array).is_some());
    let with_rebuild = arrays.iter().any(|array| array.rebuild.is_some());
    let mut heads = vec!["ARRAY", "LEVEL", "SIZE", "MEMBERS", "STATE", "P2P"];
    heads.extend(with_provider.then_some("PROVIDER"));
    heads.extend(with_rebuild.then_some("REBUILD"));
    let row = |array: &Array| {
        let mut row = vec![
            array.name.clone(),
            level(array).to_owned(),
            state(array).map_or("-".to_owned(), |_| ui::bytes(array.bytes)),
            members(array),
            state(array).unwrap_or("-").to_owned(),
            match &array.p2p {
                Some(p2p) => styled(state_style(&p2p.state), &p2p.state),
                None => styled(ui::DIM, "md"),
            },
        ];
        if with_provider {
            row.push(provider(array).map_or_else(String::new, |address| address.to_string()));
        }
        if with_rebuild {
            row.push(array.rebuild.as_ref().map_or_else(String::new, progress));
        }
        row
    };
    ui::table(&heads, arrays.iter().map(row), &[2])
}

/// Returns the first reason why peer I/O is not direct.
fn reason(array: &Array) -> Option<&str> {
    let p2p = array.p2p.as_ref()?;
    let reason = p2p.reasons.first().filter(|_| p2p.state != "direct")?;
    Some(reason)
}

/// Describes how far a rebuild is: `recover 37 %`.
fn progress(rebuild: &Rebuild) -> String {
    let action = &rebuild.action;
    match rebuild.part() {
        Some(part) => format!("{action} {} %", percent(part)),
        None if action == "frozen" => action.clone(),
        None => format!("{action} waiting"),
    }
}

/// Cuts `text` to `width` columns, and marks the cut with an ellipsis.
fn truncate(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// Returns the width of a line that may contain styles.
fn visible_width(line: &str) -> usize {
    let plain = anstream::adapter::strip_str(line).to_string();
    plain.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rebuild(done_bytes: Option<u64>, total_bytes: Option<u64>) -> Rebuild {
        Rebuild {
            action: "recover".into(),
            done_bytes,
            total_bytes,
            speed: None,
        }
    }

    #[test]
    fn a_rebuild_is_at_100_percent_only_at_its_end() {
        for (done, percent) in [(0, "0 %"), (379, "37 %"), (999, "99 %"), (1000, "100 %")] {
            let text = progress(&rebuild(Some(done), Some(1000)));
            assert_eq!(text, format!("recover {percent}"));
        }
        assert_eq!(progress(&rebuild(None, None)), "recover waiting");
    }

    #[test]
    fn a_text_that_is_cut_fits_and_shows_the_cut() {
        assert_eq!(truncate("abcdef", 6), "abcdef");
        assert_eq!(truncate("abcdef", 5), "abcd…");
        assert_eq!(truncate("äöüß", 4), "äöüß");
        assert_eq!(truncate("äöüßä", 4), "äöü…");
    }
}
