// SPDX-License-Identifier: GPL-2.0
//! Checks the running arrays.
//!
//! Tests: tests/doctor.rs.

use anyhow::Result;
use mdp2p_machine::md::array::{Driver, P2p};

use crate::commands::doctor::check::{Check, Finding, ok, warning};
use crate::commands::doctor::survey::Survey;

/// The checks of this file, in the order of the report.
pub const CHECKS: &[Check] = &[("arrays", arrays)];

/// Checks whether arrays are under md-p2p, and as direct as their levels can be.
fn arrays(survey: &Survey) -> Result<Finding> {
    let names = |driver: Driver| -> Vec<&str> {
        let of = survey.arrays.iter().filter(|it| it.driver == driver);
        of.map(|it| it.name.as_str()).collect()
    };
    let (ours, kernels) = (names(Driver::MdP2p), names(Driver::Md));
    if !kernels.is_empty() && survey.devices.providers().next().is_some() {
        return Ok(warning(
            format!(
                "{} under the kernel's md, which may silently lose writes from peer memory",
                kernels.join(", ")
            ),
            "to move it to md-p2p: mdadm --stop, then mdp2p assemble",
        ));
    }
    // Levels with parity stage writes, because the CPU computes the parity.
    let is_parity = |p2p: &P2p| p2p.reasons.iter().all(|it| it.starts_with("parity "));
    let not_direct = survey.arrays.iter().find_map(|array| {
        let p2p = array.p2p.as_ref().filter(|p2p| p2p.state != "direct")?;
        let is_expected = p2p.state == "staged" && !p2p.reasons.is_empty() && is_parity(p2p);
        (!is_expected).then_some((array, p2p))
    });
    if let Some((array, p2p)) = not_direct {
        let reason = p2p.reasons.first().map_or("", String::as_str);
        let colon = if reason.is_empty() { "" } else { ": " };
        return Ok(warning(
            format!("{} is {}{colon}{reason}", array.name, p2p.state),
            format!("mdp2p detail {} shows all reasons", array.name),
        ));
    }
    Ok(ok(match (&ours[..], &kernels[..]) {
        ([], []) => "none is running".into(),
        ([], kernels) => format!("{} under the kernel's md", kernels.join(", ")),
        (ours, _) => format!("as direct as their levels allow: {}", ours.join(", ")),
    }))
}
