// SPDX-License-Identifier: GPL-2.0
//! Finds what the build of the modules left behind for people: why there are none, and whether they
//! were made from an MD that was tested.
//!
//! Tests: tests/doctor.rs.

use anyhow::Result;
use mdp2p_machine::kernel::modules;

use crate::commands::doctor::check::{Finding, problem, warning};
use crate::commands::doctor::survey::Survey;

/// Returns why DKMS built none for the running kernel; `None` if it gave no reason.
pub fn refused(survey: &Survey) -> Result<Option<Finding>> {
    let release = survey.release()?;
    let Some(text) = modules::refused(survey.sysroot, &release)? else {
        return Ok(None);
    };
    let why = text.trim_start_matches("md-p2p: ");
    // The reason ends with this remedy.
    let remedy = format!("sudo dkms autoinstall -k {release}");
    let why = why.split(". Once that is mended: ").next().unwrap_or(why);
    Ok(Some(problem(why, format!("once that is mended: {remedy}"))))
}

/// Returns what of the MD of the loaded md-p2p was never tested; `None` if all was, or if md-p2p
/// does not say.
pub fn untested(survey: &Survey) -> Result<Option<Finding>> {
    let text = survey
        .sysroot
        .read_if(modules::parameter("md_untested"))?
        .filter(|text| !matches!(&text[..], "" | "none"));
    Ok(text.map(|names| {
        warning(
            format!(
                "md-p2p is loaded, but these of its MD are other than in any MD that was tested: {}",
                names.replace(',', ", ")
            ),
            "try your arrays with mdp2p verify before you trust them",
        )
    }))
}
