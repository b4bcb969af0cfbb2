// SPDX-License-Identifier: GPL-2.0
//! What a check is, and what a check returns.
//!
//! Tests: tests/doctor.rs.

use anyhow::Result;
use serde::Serialize;

use super::survey::Survey;

/// How a check ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// All is as it should be.
    Ok,
    /// It works, but could be better; or the check cannot tell.
    Warning,
    /// It does not work.
    Problem,
}

/// What a check returns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How the check ended.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do about it; `None` if all is well.
    pub remedy: Option<String>,
}

/// A check: its name in the report and in schema/doctor.json, and the function that does it.
pub type Check = (&'static str, fn(&Survey) -> Result<Finding>);

/// Makes the finding that all is well.
pub fn ok(found: impl Into<String>) -> Finding {
    Finding {
        verdict: Verdict::Ok,
        found: found.into(),
        remedy: None,
    }
}

/// Makes a warning.
pub fn warning(found: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding {
        verdict: Verdict::Warning,
        remedy: Some(remedy.into()),
        ..ok(found)
    }
}

/// Makes a problem.
pub fn problem(found: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding {
        verdict: Verdict::Problem,
        remedy: Some(remedy.into()),
        ..ok(found)
    }
}
