// SPDX-License-Identifier: GPL-2.0
//! Says in words who copies what is staged, and why no DMA engine does.
//!
//! Tests: tests/staging.rs.

use mdp2p_machine::md::copier::Copier;
use mdp2p_machine::md::staging::{Copiers, Refusal, Refused, Staging};
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::engines::Engine;
use mdp2p_machine::pci::reach::Source;

use crate::ui;

/// Groups providers by the sentence that is said of them.
pub fn sentences(copiers: &Copiers, all: &[Staging]) -> Vec<(String, Vec<Bdf>)> {
    ui::grouped(all.iter().map(|it| (sentence(copiers, it), it.provider)))
}

/// Says by whom what is staged for a provider is copied, without naming it and without a full stop.
pub fn sentence(copiers: &Copiers, staging: &Staging) -> String {
    let guess = match staging.source {
        Source::Kernel => "",
        Source::Computed => "probably ",
    };
    match &staging.copier {
        Copier::Engine { device, channel } => {
            format!(
                "{guess}copied by DMA engine {}, channel {channel}",
                name(copiers, *device)
            )
        }
        Copier::Cpu => format!(
            "{guess}copied by the CPU, because {}",
            why_cpu(copiers, staging)
        ),
    }
}

/// Returns the address of an engine, and its name if it has one.
fn name(copiers: &Copiers, address: Bdf) -> String {
    let dsa = copiers
        .engine(address)
        .and_then(|engine| engine.dsa.as_ref());
    let name = dsa.map_or_else(String::new, |dsa| format!(" ({})", dsa.name));
    address.short() + &name
}

/// Says why the CPU copies.
fn why_cpu(copiers: &Copiers, staging: &Staging) -> String {
    if copiers.drivers.is_empty() {
        return "p2pdma_engines names no driver".into();
    }
    let by_reason = ui::grouped(staging.refused.iter().map(|it| (it.why, it)));
    let reasons: Vec<String> = by_reason
        .into_iter()
        .map(|(why, refused)| refusal(copiers, why, &refused))
        .collect();
    match reasons.is_empty() {
        true => "the machine has no DMA engine for copies of memory".into(),
        false => reasons.join(", and "),
    }
}

/// Says why these engines do not copy.
fn refusal(copiers: &Copiers, why: Refusal, refused: &[&Refused]) -> String {
    let names = ui::list(refused.iter().map(|it| name(copiers, it.engine)));
    let (has, reaches) = match refused.len() {
        1 => ("has", "does not reach"),
        _ => ("have", "do not reach"),
    };
    match why {
        Refusal::Driver => format!("md-p2p uses no engine of {}", drivers(copiers, refused)),
        Refusal::Unreachable => format!("{names} {reaches} the provider"),
        Refusal::NoQueue => format!("{names} {has} no work queue for the kernel"),
        Refusal::NoChannel => format!("{names} {has} no free channel"),
        Refusal::Unknown => {
            format!("the kernel has not taken {names}, which may have failed: see dmesg")
        }
    }
}

/// Names the drivers of engines, each once.
fn drivers(copiers: &Copiers, refused: &[&Refused]) -> String {
    let is_it = |engine: &&Engine| refused.iter().any(|it| it.engine == engine.address);
    let engines = copiers.engines.iter().filter(is_it);
    let drivers = ui::grouped(engines.map(|engine| (engine.driver.as_deref(), engine.address)));
    let named = drivers.into_iter().map(|(driver, engines)| match driver {
        Some(driver) => format!("driver {driver}"),
        None => format!(
            "no driver ({})",
            ui::list(engines.iter().map(|it| it.short()))
        ),
    });
    ui::list(named)
}

/// Says how fast the CPU copies.
pub fn estimate(copiers: &Copiers) -> String {
    let [least, most] = copiers.estimate();
    format!(
        "the CPU loads a provider's memory at some {least} to {most} MB per second (an estimate: \
         each load is a round trip on the bus)"
    )
}
