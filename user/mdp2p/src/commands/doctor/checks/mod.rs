// SPDX-License-Identifier: GPL-2.0
//! The list of the checks. Each file here has the checks of one subject in a slice, so one more check
//! is a function and a row there.
//!
//! Tests: tests/doctor.rs.

mod arrays;
mod build;
mod drivers;
mod kernel;
mod memory;
mod path;
mod platform;
mod privileges;
mod reach;
mod staging;

use super::check::Check;

/// Checks that follow from another check: its name, and theirs. If the other has found a problem,
/// they have nothing to add to it.
const FOLLOW_UPS: &[(&str, &[&str])] = &[
    (
        "processor",
        &[
            "kernel",
            "kernel options",
            "modules installed",
            "modules loaded",
            "Secure Boot",
        ],
    ),
    (
        "kernel",
        &[
            "kernel options",
            "modules installed",
            "modules loaded",
            "Secure Boot",
        ],
    ),
    (
        "kernel options",
        &["modules installed", "modules loaded", "Secure Boot"],
    ),
    ("modules installed", &["modules loaded"]),
    ("providers", &["ACS", "reach", "staging"]),
];

/// Whether the check `name` follows from `other`.
pub fn follows(name: &str, other: &str) -> bool {
    let of = FOLLOW_UPS.iter().filter(|(first, _)| *first == other);
    let mut names = of.flat_map(|(_, names)| names.iter());
    names.any(|it| *it == name)
}

/// Returns all checks, in the order in which one sets a machine up.
pub fn all() -> impl Iterator<Item = &'static Check> {
    let slices = [
        platform::CHECKS,
        kernel::CHECKS,
        memory::CHECKS,
        reach::CHECKS,
        staging::CHECKS,
        path::CHECKS,
        drivers::CHECKS,
        arrays::CHECKS,
        privileges::CHECKS,
    ];
    slices.into_iter().flatten()
}
