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

/// One of the things that were looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it is about.
    pub name: &'static str,
    /// How it ended.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

pub fn ok(found: impl Into<String>) -> Check {
    Check {
        name: "",
        verdict: Verdict::Ok,
        found: found.into(),
        remedy: None,
    }
}

pub fn warning(found: impl Into<String>, remedy: impl Into<String>) -> Check {
    Check {
        verdict: Verdict::Warning,
        remedy: Some(remedy.into()),
        ..ok(found)
    }
}

pub fn problem(found: impl Into<String>, remedy: impl Into<String>) -> Check {
    Check {
        verdict: Verdict::Problem,
        remedy: Some(remedy.into()),
        ..ok(found)
    }
}

/// What makes a check.
pub type Examine = fn(&Survey) -> Result<Check>;
