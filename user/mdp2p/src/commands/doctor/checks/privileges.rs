// SPDX-License-Identifier: GPL-2.0
//! Checks whether everything could be read.
//!
//! Tests: tests/doctor.rs.

use anyhow::Result;

use crate::commands::doctor::check::{Check, Finding, ok, warning};
use crate::commands::doctor::survey::Survey;

/// The checks of this file, in the order of the report.
pub const CHECKS: &[Check] = &[("privileges", privileges)];

/// Checks whether config space could be read.
fn privileges(survey: &Survey) -> Result<Finding> {
    if survey.hides_config_space() {
        return Ok(warning(
            "the config space of ports cannot be read, so ACS, resizable BARs and the types of ports are unknown",
            survey.as_root(),
        ));
    }
    Ok(ok("everything could be read"))
}
