// SPDX-License-Identifier: GPL-2.0
//! What we may look at.

use anyhow::Result;

use crate::commands::doctor::check::{Check, Finding, ok, warning};
use crate::commands::doctor::survey::Survey;

/// In the order in which one would set a machine up.
pub const CHECKS: &[Check] = &[("privileges", privileges)];

fn privileges(survey: &Survey) -> Result<Finding> {
    if survey.hides_config_space() {
        return Ok(warning(
            "config space cannot be read: ACS, resizable BARs and what ports are could not be looked at",
            "sudo mdp2p doctor",
        ));
    }
    Ok(ok("all could be looked at"))
}

// What comes of it.
