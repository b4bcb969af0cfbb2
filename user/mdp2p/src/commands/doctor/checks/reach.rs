// SPDX-License-Identifier: GPL-2.0
//! Checks whether drives reach providers, and whether ACS is in the way.
//!
//! Tests: tests/doctor.rs.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use mdp2p_machine::md::reach::{Known, other_members};
use mdp2p_machine::pci::advice;
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::devices::DEVICES;
use mdp2p_machine::pci::reach::{Way, Why};

use crate::commands::doctor::check::{Check, Finding, ok, problem, warning};
use crate::commands::doctor::survey::{Pair, Survey};
use crate::ui;

/// The checks of this file, in the order of the report.
pub const CHECKS: &[Check] = &[("ACS", acs), ("reach", reach)];

/// Checks whether ports between providers and drives redirect.
fn acs(survey: &Survey) -> Result<Finding> {
    survey.sysroot.needs(&[DEVICES])?;
    let mut ports = BTreeSet::new();
    let mut blocked = false;
    for pair in survey.pairs(&survey.known()) {
        for why in &pair.reach.why {
            if let Why::AcsRedirect { ports: found } = why {
                ports.extend(found.iter().copied());
                blocked |= pair.reach.way == Way::No;
            }
        }
    }
    if ports.is_empty() {
        let found = "no port between providers and drives redirects";
        return Ok(match survey.hides_config_space() {
            true => warning(
                format!("{} whether ports redirect", survey.hidden()),
                survey.as_root(),
            ),
            false => ok(found),
        });
    }
    let found = format!(
        "redirects to the host bridge at {}",
        advice::list_ports(&ports)
    );
    let remedy = advice::acs(survey.sysroot, &survey.devices, &ports).to_do();
    Ok(match blocked {
        true => problem(format!("{found}, so drives do not reach providers"), remedy),
        false => warning(format!("{found}: it works, but is a detour"), remedy),
    })
}

/// Checks whether drives reach providers.
fn reach(survey: &Survey) -> Result<Finding> {
    survey.sysroot.needs(&[DEVICES])?;
    let known = survey.known();
    let pairs = survey.pairs(&known);
    if survey.devices.providers().next().is_none() {
        return Ok(warning("there is no provider", "see providers above"));
    }
    if pairs.is_empty() {
        return Ok(warning(
            format!(
                "there is no drive that could reach a provider{}",
                staged_members(survey)
            ),
            "members other than PCI devices are staged: the CPU copies",
        ));
    }
    let found = format!(
        "{} of drive and provider: {}{}",
        ui::count(pairs.len(), "pair"),
        ways(&pairs),
        staged_members(survey)
    );
    let no = pairs.iter().filter(|it| it.reach.way == Way::No).count();
    let alone: BTreeSet<Bdf> = survey
        .devices
        .providers()
        .map(|it| it.address)
        .filter(|it| {
            pairs
                .iter()
                .all(|pair| pair.provider != *it || pair.reach.way == Way::No)
        })
        .collect();
    Ok(if no == pairs.len() {
        problem(found, how_to_reach(survey, &known, &pairs))
    } else if !alone.is_empty() {
        let found = format!("{found}; no other drive reaches {}", ui::list(&alone));
        warning(found, how_to_reach(survey, &known, &pairs))
    } else if no > 0 {
        let found = format!("{found}; I/O between those is staged");
        warning(found, how_to_reach(survey, &known, &pairs))
    } else if survey.hides_config_space() {
        let found = format!("{found}; {} whether ACS redirects", survey.hidden());
        warning(found, survey.as_root())
    } else {
        ok(found)
    })
}

/// Counts the pairs of each way.
fn ways(pairs: &[Pair]) -> String {
    let of = |way| pairs.iter().filter(|it| it.reach.way == way).count();
    let ways = [
        (of(Way::Direct), "direct"),
        (of(Way::ThroughHostBridge), "through the host bridge"),
        (of(Way::No), "not at all"),
    ];
    let some = ways.iter().filter(|(number, _)| *number > 0);
    ui::list(some.map(|(number, way)| format!("{number} {way}")))
}

/// Names the members that are no PCI devices, as a part of a sentence.
fn staged_members(survey: &Survey) -> String {
    let names: Vec<&str> = other_members(&survey.arrays).into_iter().collect();
    match &names[..] {
        [] => String::new(),
        [one] => format!("; member {one} is no PCI device, so its I/O is staged"),
        some => format!(
            "; members {} are no PCI devices, so their I/O is staged",
            ui::list(some)
        ),
    }
}

/// Says what to do about pairs that do not reach each other.
fn how_to_reach(survey: &Survey, known: &Known, pairs: &[Pair]) -> String {
    let mut bridges = BTreeMap::new();
    let mut same = BTreeSet::new();
    let mut others = BTreeSet::new();
    let mut acs = false;
    for pair in pairs.iter().filter(|it| it.reach.way == Way::No) {
        let why = &pair.reach.why;
        // Without the redirect, these would not need the host bridge.
        if why.iter().any(|it| matches!(it, Why::AcsRedirect { .. })) {
            acs = true;
            continue;
        }
        for why in why {
            match why {
                Why::HostBridge { bridge, id } => drop(bridges.insert(bridge.clone(), *id)),
                Why::SameHostBridgeOnly { bridge } => drop(same.insert(bridge.clone())),
                Why::OtherDriver { driver } => {
                    let driver = driver.as_deref().unwrap_or("no driver");
                    others.insert(format!("{} ({driver})", pair.client));
                }
                _ => {}
            }
        }
    }
    let mut sentences = vec!["mdp2p topology shows which do not, and why.".to_owned()];
    if acs {
        sentences.push("For some, see ACS above.".to_owned());
    }
    if !bridges.is_empty() {
        let advice = advice::host_bridges(survey.sysroot, known.rules(), &bridges);
        sentences.extend(advice.remedy);
    }
    if !same.is_empty() {
        sentences.extend(advice::same_host_bridge(&same).remedy);
    }
    if !others.is_empty() {
        sentences.push(format!(
            "Drives of {} reach no provider, wherever they are: of the drivers of drives, only nvme \
             maps peer memory.",
            ui::list(others)
        ));
    }
    sentences.join(" ")
}
