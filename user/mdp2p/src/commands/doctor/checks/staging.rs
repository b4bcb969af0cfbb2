// SPDX-License-Identifier: GPL-2.0
//! Checks who copies what is staged, and whether a DMA engine could.
//!
//! Tests: tests/staging.rs.

use anyhow::Result;
use mdp2p_machine::md::copier::Copier;
use mdp2p_machine::md::staging::{Copiers, Refusal, Staging};
use mdp2p_machine::pci::devices::DEVICES;
use mdp2p_machine::pci::engines::Engine;
use mdp2p_machine::pci::reach::Way;

use crate::commands::doctor::check::{Check, Finding, ok, warning};
use crate::commands::doctor::survey::Survey;
use crate::staging::{estimate, sentences};
use crate::ui;

/// The checks of this file, in the order of the report.
pub const CHECKS: &[Check] = &[("staging", staging)];

/// Checks who copies what is staged from or to each provider.
fn staging(survey: &Survey) -> Result<Finding> {
    survey.sysroot.needs(&[DEVICES])?;
    let known = survey.known();
    let copiers = Copiers::read(survey.sysroot, &survey.devices, &survey.arrays)?;
    let providers = survey.devices.providers().map(|it| it.address);
    let all: Vec<Staging> = providers.map(|it| copiers.of(known.rules(), it)).collect();
    if all.is_empty() {
        return Ok(ok("there is no provider"));
    }
    let found = sentences(&copiers, &all).into_iter();
    let found = found.map(|(how, providers)| format!("of {} are {how}", ui::list(&providers)));
    let found = format!("staged data {}", found.collect::<Vec<_>>().join("; "));
    if all.iter().all(|it| it.copier != Copier::Cpu) {
        return Ok(ok(found));
    }
    let found = format!("{found}; {}", estimate(&copiers));
    let remedy = remedy(&copiers, &all);
    Ok(match remedy.is_empty() && !stages(survey) {
        true => ok(format!("{found}; but nothing has to be staged now")),
        false if remedy.is_empty() => warning(found, WITHOUT_ENGINE),
        false => warning(found, remedy.join(" ")),
    })
}

/// What to do if no engine can be had.
const WITHOUT_ENGINE: &str = "keep I/O direct: put members and providers below one switch, and use raid0, raid1 or raid10, \
     because raid4, raid5 and raid6 stage all writes. A machine with Intel DSA has a DMA engine.";

/// Tells whether something is staged as the machine is: writes of a level with parity, or I/O of a
/// drive that does not reach a provider.
fn stages(survey: &Survey) -> bool {
    let is_staged = |level: &str| ["raid4", "raid5", "raid6"].contains(&level);
    let pairs = survey.pairs(&survey.known());
    survey.arrays.iter().any(|it| is_staged(&it.level))
        || pairs.iter().any(|pair| pair.reach.way == Way::No)
}

/// Says how engines could be used that are not.
fn remedy(copiers: &Copiers, all: &[Staging]) -> Vec<String> {
    let is_refused = |engine: &&Engine, why: Refusal| {
        let mut refused = all.iter().flat_map(|staging| &staging.refused);
        refused.any(|it| it.engine == engine.address && it.why == why)
    };
    let mut sentences = Vec::new();
    let idle = copiers
        .engines
        .iter()
        .filter(|it| is_refused(it, Refusal::NoQueue));
    // One queue is enough for all providers that the DSA reaches.
    if let Some(dsa) = idle.filter_map(|engine| engine.dsa.as_ref()).next() {
        let [tool, shell] = dsa.queue_commands();
        if dsa.must_be_disabled() {
            let name = &dsa.name;
            sentences.push(format!(
                "This disables {name} first, which ends its other users:"
            ));
        }
        sentences.push(format!("as root: {tool}"));
        sentences.push(format!("or, without accel-config: {shell}"));
    }
    let mut engines = copiers.engines.iter();
    let lonely = |engine: &&Engine| engine.driver.is_none() && is_refused(engine, Refusal::Driver);
    if engines.any(|engine| lonely(&engine)) {
        sentences.push("Load the driver of DSA: modprobe idxd.".into());
    }
    let mut engines = copiers.engines.iter();
    if engines.any(|engine| is_refused(&engine, Refusal::NoChannel)) {
        sentences
            .push("Others use the channels of that engine: see /sys/class/dma/*/in_use.".into());
    }
    if copiers.drivers.is_empty() && !copiers.engines.is_empty() {
        let parameter = "/sys/module/md_p2p/parameters/p2pdma_engines";
        sentences.push(format!("To use the engines of DSA: echo idxd >{parameter}"));
    }
    sentences
}
