// SPDX-License-Identifier: GPL-2.0
//! Checks whether md-p2p supports the processor and the kernel at all.
//!
//! Tests: tests/doctor.rs.

use anyhow::Result;
use mdp2p_machine::kernel::modules;
use mdp2p_machine::kernel::support::{self, ARCHITECTURE, OLDEST};

use crate::commands::doctor::check::{Check, Finding, ok, problem, warning};
use crate::commands::doctor::survey::Survey;

/// The checks of this file, in the order of the report.
pub const CHECKS: &[Check] = &[("processor", processor), ("kernel", kernel)];

/// Checks the architecture of the processor.
fn processor(survey: &Survey) -> Result<Finding> {
    let architecture = support::architecture(survey.sysroot)?;
    Ok(match architecture.as_deref() {
        Some(ARCHITECTURE) => ok(format!("{ARCHITECTURE} (amd64)")),
        Some(other) => problem(
            format!("{other}, but md-p2p supports {ARCHITECTURE} (amd64) only"),
            "use a machine with an amd64 processor",
        ),
        None if modules::mode(survey.sysroot).is_some() => ok("md-p2p runs on it"),
        None => warning(
            "cannot tell its architecture, because /proc/cpuinfo does not say it",
            format!("compare `uname -m` with {ARCHITECTURE}, the only one that md-p2p supports"),
        ),
    })
}

/// Checks the version of the kernel.
fn kernel(survey: &Survey) -> Result<Finding> {
    let release = &survey.release()?;
    let (version, patch) = OLDEST;
    Ok(match support::version(release) {
        _ if modules::mode(survey.sysroot).is_some() => ok(format!("md-p2p runs in {release}")),
        Some(found) if found >= OLDEST => ok(release.as_str()),
        Some(_) => problem(
            format!("{release} is too old: md-p2p is for {version}.{patch} and newer"),
            "Debian 13: add trixie-backports to the sources of apt, then apt install -t \
             trixie-backports linux-image-amd64 linux-headers-amd64, and boot that kernel",
        ),
        None => warning(
            format!("cannot tell the version of {release}"),
            format!("md-p2p is for {version}.{patch} and newer: see which version this kernel is"),
        ),
    })
}
