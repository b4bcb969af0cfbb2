// SPDX-License-Identifier: GPL-2.0
//! Checks the running arrays.
//!
//! Tests: tests/doctor.rs.

use anyhow::Result;
use mdp2p_machine::md::array::{Array, Driver, P2p};
use mdp2p_machine::md::external::External;
use mdp2p_machine::pci::devices::DEVICES;

use crate::commands::doctor::check::{Check, Finding, ok, warning};
use crate::commands::doctor::survey::Survey;
use crate::control::moving::Moving;
use crate::ui;

/// The checks of this file, in the order of the report.
pub const CHECKS: &[Check] = &[("arrays", arrays)];

/// Checks whether arrays are under md-p2p, and as direct as their levels can be.
fn arrays(survey: &Survey) -> Result<Finding> {
    survey.sysroot.needs(&["sys/block"])?;
    if !kernels(survey).is_empty() {
        // Whether they are at risk depends on providers.
        survey.sysroot.needs(&[DEVICES])?;
    }
    let names = |driver: Driver| -> Vec<&str> {
        let of = survey.arrays.iter().filter(|it| it.driver == driver);
        of.map(|it| it.name.as_str()).collect()
    };
    let (ours, kernels) = (names(Driver::MdP2p), kernels(survey));
    // Levels with parity stage writes, because the CPU computes the parity.
    let is_parity = |p2p: &P2p| p2p.reasons.iter().all(|it| it.starts_with("parity "));
    let not_direct = survey.arrays.iter().find_map(|array| {
        let p2p = array.p2p.as_ref().filter(|p2p| p2p.state != "direct")?;
        let is_expected = p2p.state == "staged" && !p2p.reasons.is_empty() && is_parity(p2p);
        (!is_expected).then_some((array, p2p))
    });
    let not_direct = not_direct.map(|(array, p2p)| {
        let reason = p2p.reasons.first().map_or("", String::as_str);
        let colon = if reason.is_empty() { "" } else { ": " };
        (
            format!("{} is {}{colon}{reason}", array.name, p2p.state),
            format!("mdp2p detail {} shows all reasons", array.name),
        )
    });
    let at_risk = !kernels.is_empty() && survey.devices.providers().next().is_some();
    let at_risk = at_risk.then(|| {
        (
            format!(
                "{} under the kernel's md, which may silently lose writes from peer memory",
                ui::list(kernels.iter().map(|it| described(it)))
            ),
            how_to_move(survey, &kernels),
        )
    });
    let (found, remedies): (Vec<String>, Vec<String>) =
        at_risk.into_iter().chain(not_direct).unzip();
    if !found.is_empty() {
        return Ok(warning(found.join("; "), remedies.join("; ")));
    }
    Ok(ok(match (&ours[..], &kernels[..]) {
        ([], []) if is_any_left_out(survey) => {
            return Ok(warning(
                "cannot tell: some arrays may be left out",
                "the warnings at the end say what could not be read",
            ));
        }
        ([], []) => "none is running".into(),
        ([], kernels) => format!(
            "{} under the kernel's md",
            ui::list(kernels.iter().map(|it| described(it)))
        ),
        (ours, _) => format!("as direct as their levels allow: {}", ours.join(", ")),
    }))
}

/// Returns the arrays of the kernel's md that do I/O: a container's volumes do it, not the container.
fn kernels<'a>(survey: &'a Survey<'_>) -> Vec<&'a Array> {
    let is_container = |it: &Array| matches!(External::of(it), Some(External::Container { .. }));
    let of_it = survey.arrays.iter().filter(|it| it.driver == Driver::Md);
    of_it.filter(|it| !is_container(it)).collect()
}

fn described(array: &Array) -> String {
    match External::of(array) {
        Some(External::Volume { container }) => {
            format!("{} (a volume of container {container})", array.name)
        }
        _ => array.name.clone(),
    }
}

fn is_any_left_out(survey: &Survey) -> bool {
    let complaints = survey.sysroot.complaints();
    complaints.iter().any(|it| it.contains("sys/block"))
}

/// Returns what is said of several arrays, in the place of what is said of one.
fn of_several(brief: &str) -> String {
    let (verb, rest) = brief.split_once(' ').unwrap_or((brief, ""));
    let verb = match verb {
        "is" => "are",
        "has" => "have",
        "does" => "do",
        "may" => "may",
        verb => verb.trim_end_matches('s'),
    };
    format!("{verb} {rest}")
}

/// Says how the arrays move to md-p2p: those that can, and why the others stay.
fn how_to_move(survey: &Survey, arrays: &[&Array]) -> String {
    let (mut going, mut staying) = (Vec::new(), Vec::new());
    for array in arrays {
        match Moving::of(survey.sysroot, &survey.arrays, array) {
            Moving::Go { .. } => going.push(array.name.as_str()),
            Moving::Stay(hindrance) => staying.push((hindrance.brief, array.name.as_str())),
        }
    }
    let mut remedies = Vec::new();
    if !going.is_empty() {
        let names = ui::list(&going);
        remedies.push(format!(
            "mdp2p detail ARRAY says how to move {names} to md-p2p"
        ));
    }
    let staying: Vec<String> = ui::grouped(staying)
        .into_iter()
        .map(|(why, names)| match &names[..] {
            [name] => format!("{name} {why}"),
            _ => format!("{} {}", ui::list(names), of_several(&why)),
        })
        .collect();
    if !staying.is_empty() {
        remedies.push(format!("not now: {}", staying.join("; ")));
    }
    remedies.join("; ")
}
