// SPDX-License-Identifier: GPL-2.0
//! Lists what the user should consider before the array is made.
//!
//! Tests: tests/create.rs.

use std::collections::BTreeSet;

use md_p2p_decide::route::Policy;
use mdp2p_machine::block::device::BlockDevice;
use mdp2p_machine::md::name;
use mdp2p_machine::pci::bdf::Bdf;

use super::plan::Plan;
use crate::ui;

pub fn of(plan: &Plan) -> Vec<String> {
    let devices = plan.devices();
    let mut warnings = Vec::new();
    if plan.providers.is_empty() {
        warnings.push(
            "no device of this machine has p2pmem, so there is no peer I/O: \
             see `mdp2p doctor`"
                .into(),
        );
    }
    for (index, device) in devices.iter().enumerate() {
        let reaches = &plan.reaches[index];
        if !reaches.is_empty() && reaches.iter().all(|reach| reach.distance.is_none()) {
            warnings.push(format!("{} reaches no provider", device.name));
        }
    }
    let uncertain: BTreeSet<&str> = plan
        .reaches
        .iter()
        .flatten()
        .filter(|reach| reach.distance.is_some() && !reach.why.is_empty())
        .map(|reach| reach.why.as_str())
        .collect();
    warnings.extend(uncertain.into_iter().map(str::to_owned));
    warnings.extend(shared_controllers(&devices));
    warnings.extend(unused_space(plan));
    let missing = plan
        .members
        .iter()
        .filter(|member| member.is_none())
        .count();
    if missing > 0 {
        warnings.push(format!(
            "the array starts degraded, because {} missing",
            match missing {
                1 => "a member is".into(),
                count => format!("{count} members are"),
            }
        ));
    }
    warnings.extend(plan.bitmap.sentence());
    if !name::is_portable(&plan.node) {
        warnings.push(format!(
            "mdadm 4.3 and 4.4 refuse names like {}, with other characters than letters, digits and . _ -",
            plan.node
        ));
    }
    match plan.policy {
        Policy::Direct if !plan.not_direct().is_empty() && !plan.providers.is_empty() => {
            warnings.push(
                "the policy is direct: peer I/O that is shown as refused fails with EREMOTEIO, \
                 which the application must handle"
                    .into(),
            );
        }
        Policy::Off => {
            warnings.push("the policy is off: the array refuses all peer I/O".into());
        }
        Policy::Auto | Policy::Direct => {}
    }
    warnings
}

/// Tells whether a part of a larger member stays unused.
fn unused_space(plan: &Plan) -> Option<String> {
    let devices = plan.devices();
    let smallest = devices.iter().min_by_key(|device| device.bytes)?;
    let larger: Vec<&str> = devices
        .iter()
        .filter(|device| device.bytes > smallest.bytes)
        .map(|device| device.name.as_str())
        .collect();
    (plan.level.is_redundant() && !larger.is_empty()).then(|| {
        format!(
            "the sizes differ: of {} only {} is used, which is the size of {}",
            larger.join(", "),
            ui::bytes(smallest.bytes),
            smallest.name
        )
    })
}

/// Lists members behind the same controller, because they fail together.
fn shared_controllers(devices: &[&BlockDevice]) -> Vec<String> {
    let controllers: BTreeSet<Bdf> = devices
        .iter()
        .flat_map(|device| device.controllers.iter().copied())
        .collect();
    controllers
        .into_iter()
        .filter_map(|controller| {
            let names: Vec<&str> = devices
                .iter()
                .filter(|device| device.controllers == [controller])
                .map(|device| device.name.as_str())
                .collect();
            (names.len() > 1).then(|| {
                format!(
                    "{} are all behind one controller, {controller}: if it fails, they all fail",
                    names.join(", ")
                )
            })
        })
        .collect()
}
