// SPDX-License-Identifier: GPL-2.0
//! Prints the plan, and the array that was made.
//!
//! Tests: tests/create.rs, and below.

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::Result;
use md_p2p_decide::route::State;
use mdp2p_machine::block::contents::Contents;
use mdp2p_machine::block::device::{BlockDevice, Findings};
use mdp2p_machine::md::array::Array;
use mdp2p_machine::pci::bdf::Bdf;

use super::device_reach::DeviceReach;
use super::forecast::Outcome;
use super::plan::Plan;
use super::warnings;
use crate::ui::{self, BAD, DIM, GOOD, HEADING, WARNING, styled};

/// Prints the array in two lines: what it is, and what peer I/O meets.
pub fn print_array(array: &Array) -> Result<()> {
    let mut out = ui::out();
    write!(
        out,
        "{}: {} of {} members, {}, {}",
        array.name,
        array.level,
        array.raid_disks,
        ui::bytes(array.bytes),
        array.state
    )?;
    match &array.rebuild {
        Some(rebuild) => writeln!(out, ", {}", rebuild.action)?,
        None => writeln!(out)?,
    }
    if let Some(p2p) = &array.p2p {
        let text = format!("peer I/O is {}: {}", p2p.state, p2p.reasons.join("; "));
        write!(out, "{}", wrap(&text, "  "))?;
    }
    Ok(())
}

/// Prints what the user has to know before agreeing. `is_here` tells whether the devices could be
/// inspected.
pub fn print_plan(plan: &Plan, findings: &[Findings], is_here: bool) -> Result<()> {
    let mut out = ui::out();
    let spares = match plan.spares.len() {
        0 => String::new(),
        1 => " and a spare".into(),
        count => format!(" and {count} spares"),
    };
    let journal = match plan.journal {
        Some(_) => ", with a journal",
        None => "",
    };
    let title = format!(
        "{}: {} of {} members{spares}{journal}",
        plan.node,
        plan.level,
        plan.members.len()
    );
    writeln!(out, "{}\n", styled(HEADING, title))?;
    write!(out, "{}", devices(plan, findings))?;
    if !is_here {
        writeln!(
            out,
            "{}",
            styled(
                DIM,
                "The devices were not inspected, because they are on another machine."
            )
        )?;
    }
    if !plan.providers.is_empty() {
        writeln!(out)?;
        write!(out, "{}", forecasts(plan))?;
        write!(out, "{}", notes(plan))?;
        write!(out, "{}", staging(plan))?;
        writeln!(out)?;
        write!(out, "{}", distances(plan, ui::width()))?;
        write!(out, "{}", unreachable(plan))?;
        writeln!(
            out,
            "{}",
            styled(
                DIM,
                "As the kernel says, or else by its rules; it decides once the array exists."
            )
        )?;
    }
    writeln!(
        out,
        "\np2pdma_policy will be {}, p2pdma_state {}",
        plan.policy.name(),
        styled(state_style(plan.state), plan.state.name())
    )?;
    let mut warnings = warnings::of(plan);
    warnings.extend(unknown_contents(findings, is_here));
    for warning in &warnings {
        let text = wrap(&format!("warning: {warning}"), "");
        let rest = text.strip_prefix("warning").unwrap_or(&text);
        write!(out, "{}{rest}", styled(WARNING, "warning"))?;
    }
    writeln!(out)?;
    for command in plan.commands() {
        writeln!(out, "  {command}")?;
    }
    Ok(())
}

fn state_style(state: State) -> anstyle::Style {
    match state {
        State::Direct => GOOD,
        State::Staged => WARNING,
        State::Off => BAD,
    }
}

fn outcome_style(outcome: Outcome) -> anstyle::Style {
    match outcome {
        Outcome::Direct | Outcome::Peer => GOOD,
        Outcome::Partly | Outcome::Staged | Outcome::Host => WARNING,
        Outcome::Refused => BAD,
        Outcome::None => DIM,
    }
}

fn devices(plan: &Plan, findings: &[Findings]) -> String {
    let mut found = findings.iter();
    let mut row = |device: &BlockDevice, role: String| {
        let controllers: Vec<String> = device.controllers.iter().map(Bdf::to_string).collect();
        let holds = match found.next() {
            Some(found) if !found.users.is_empty() => styled(BAD, "in use"),
            Some(found) => match &found.contents {
                Contents::Nothing => "-".into(),
                Contents::Something(what) => styled(WARNING, what),
                Contents::Unknown(_) => "?".into(),
            },
            None => "?".into(),
        };
        let address = match controllers.is_empty() {
            true => "-".into(),
            false => controllers.join(" "),
        };
        vec![
            device.name.clone(),
            role,
            address,
            ui::bytes(device.bytes),
            holds,
            device.model.clone(),
        ]
    };
    let mut rows = Vec::new();
    for (number, member) in plan.members.iter().enumerate() {
        rows.push(match member {
            Some(device) => row(device, number.to_string()),
            None => {
                let mut row = vec![String::new(); 6];
                row[0] = "missing".into();
                row[1] = number.to_string();
                row
            }
        });
    }
    for device in &plan.spares {
        rows.push(row(device, "spare".into()));
    }
    if let Some(device) = &plan.journal {
        rows.push(row(device, "journal".into()));
    }
    let heads = ["MEMBER", "ROLE", "ADDRESS", "SIZE", "HOLDS", "MODEL"];
    ui::table(&heads, rows, &[3])
}

fn forecasts(plan: &Plan) -> String {
    let rows = plan.forecasts.iter().map(|forecast| {
        let cell = |outcome: Outcome| styled(outcome_style(outcome), outcome);
        vec![
            forecast.provider.to_string(),
            cell(forecast.read.outcome),
            cell(forecast.write.outcome),
            cell(forecast.rebuild.outcome),
        ]
    });
    ui::table(&["PROVIDER", "READ", "WRITE", "REBUILD"], rows, &[])
}

/// Lists the remarks that do not fit in the table, each once for all providers that it applies to.
fn notes(plan: &Plan) -> String {
    let cells = plan.forecasts.iter().flat_map(|forecast| {
        forecast
            .each()
            .map(|(name, cell)| ((name, cell.note.as_str()), forecast.provider))
    });
    let mut notes = ui::grouped(cells.filter(|((_, note), _)| !note.is_empty()));
    notes.sort_by_key(|((name, _), _)| ["read", "write", "rebuild"].map(|it| it != *name));
    notes
        .into_iter()
        .map(|((name, note), providers)| {
            let whose = match providers.len() == plan.forecasts.len() {
                true => String::new(),
                false => format!(", {}", ui::list(&providers)),
            };
            wrap(&format!("{name}{whose}: {note}"), "  ")
        })
        .collect()
}

/// Says who copies what is staged, unless all is direct.
fn staging(plan: &Plan) -> String {
    let outcomes = plan.forecasts.iter();
    let mut outcomes = outcomes.flat_map(|it| [it.read.outcome, it.write.outcome]);
    if !outcomes.any(|it| matches!(it, Outcome::Staged | Outcome::Partly)) {
        return String::new();
    }
    let copied = plan.staging.iter().map(|(how, providers)| {
        let whose = match providers.len() == plan.providers.len() {
            true => String::new(),
            false => format!(", {}", ui::list(providers)),
        };
        wrap(&format!("staged{whose}: {how}"), "  ")
    });
    let estimate = plan.estimate.iter().map(|text| wrap(text, "    "));
    copied.chain(estimate).collect()
}

/// Returns a table with the distance of each device to each provider. If it is too wide, the table
/// has only the nearest and the farthest.
fn distances(plan: &Plan, width: usize) -> String {
    let devices = plan.devices();
    let name = devices.iter().map(|device| device.name.len()).max();
    let columns: usize = plan
        .providers
        .iter()
        .map(|provider| provider.to_string().len() + 2)
        .sum();
    let rows = devices.iter().zip(&plan.reaches);
    if name.unwrap_or(0).max("DISTANCE".len()) + columns <= width {
        let addresses: Vec<String> = plan.providers.iter().map(Bdf::to_string).collect();
        let heads: Vec<&str> = std::iter::once("DISTANCE")
            .chain(addresses.iter().map(String::as_str))
            .collect();
        let rows = rows.map(|(device, reaches)| {
            let distance = |reach: &DeviceReach| match reach.distance {
                Some(distance) => distance.to_string(),
                None => styled(BAD, "no"),
            };
            let mut row = vec![device.name.clone()];
            row.extend(reaches.iter().map(distance));
            row
        });
        let right: Vec<usize> = (1..=plan.providers.len()).collect();
        return ui::table(&heads, rows, &right);
    }
    let rows = rows.map(|(device, reaches)| {
        let reached = || reaches.iter().filter_map(|reach| reach.distance);
        let text = |distance: Option<u32>| distance.map_or("-".into(), |it| it.to_string());
        vec![
            device.name.clone(),
            text(reached().min()),
            text(reached().max()),
            format!("{} of {}", reached().count(), reaches.len()),
        ]
    });
    ui::table(
        &["DISTANCE", "NEAREST", "FARTHEST", "REACHES"],
        rows,
        &[1, 2, 3],
    )
}

/// Explains why members do not reach providers, each reason once.
fn unreachable(plan: &Plan) -> String {
    let reasons = plan
        .devices()
        .into_iter()
        .zip(&plan.reaches)
        .flat_map(|(device, reaches)| {
            let far = reaches.iter().zip(&plan.providers);
            let far = far.filter(|(reach, _)| reach.distance.is_none());
            ui::grouped(far.map(|(reach, &provider)| (reach.why.as_str(), provider)))
                .into_iter()
                .map(|reason| (reason, device.name.as_str()))
        });
    ui::grouped(reasons)
        .into_iter()
        .map(|((why, providers), names)| {
            let not = if names.len() == 1 {
                "does not"
            } else {
                "do not"
            };
            let (names, whose) = (ui::list(names), plan.describe_providers(&providers));
            wrap(&format!("{names} {not} reach {whose}: {why}"), "  ")
        })
        .collect()
}

/// Lists what could not be learned about the devices of this machine.
fn unknown_contents(findings: &[Findings], is_here: bool) -> Vec<String> {
    let reasons: BTreeSet<&str> = findings
        .iter()
        .filter_map(|found| match &found.contents {
            Contents::Unknown(why) if is_here => Some(why.as_str()),
            _ => None,
        })
        .collect();
    reasons
        .into_iter()
        .map(|why| format!("it is not known what the devices hold: {why}"))
        .collect()
}

/// Wraps `text`, indents all lines but the first further, and ends with a newline.
fn wrap(text: &str, indent: &str) -> String {
    let further = format!("{indent}  ");
    let lines = ui::wrapped(text, ui::width().saturating_sub(further.len()));
    format!("{indent}{}\n", lines.join(&format!("\n{further}")))
}

pub fn indented(lines: &[String]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| wrap(line, "  ")).collect();
    lines.concat().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_broken_between_words() {
        let text = "word ".repeat(40);
        let lines = wrap(&text, "  ");
        assert!(lines.lines().count() > 1);
        assert!(
            lines
                .lines()
                .all(|line| line.chars().count() <= ui::width())
        );
        assert!(
            lines
                .lines()
                .skip(1)
                .all(|line| line.starts_with("    word"))
        );
        assert_eq!(lines.split_whitespace().count(), 40);
        assert_eq!(wrap("", ""), "\n");
    }
}
