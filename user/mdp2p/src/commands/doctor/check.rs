// SPDX-License-Identifier: GPL-2.0
//! How a check ends.

use anyhow::Result;
use serde::Serialize;

use super::survey::Survey;

/// How a check ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and could be better, or it cannot be told.
    Warning,
    /// It does not work.
    Problem,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How it ended.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// A check: its name, and what makes it.
pub type Check = (&'static str, fn(&Survey) -> Result<Finding>);

pub fn ok(found: impl Into<String>) -> Finding {
    Finding {
        verdict: Verdict::Ok,
        found: found.into(),
        remedy: None,
    }
}

pub fn warning(found: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding {
        verdict: Verdict::Warning,
        remedy: Some(remedy.into()),
        ..ok(found)
    }
}

pub fn problem(found: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding {
        verdict: Verdict::Problem,
        remedy: Some(remedy.into()),
        ..ok(found)
    }
}
