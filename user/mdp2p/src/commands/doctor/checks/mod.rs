// SPDX-License-Identifier: GPL-2.0
//! The list of the checks. Each file here has the checks of one subject in a slice, so one more check
//! is a function and a row there.
//!
//! Tests: tests/doctor.rs.

mod arrays;
mod drivers;
mod kernel;
mod memory;
mod path;
mod privileges;

use super::check::Check;

/// Returns all checks, in the order in which one sets a machine up.
pub fn all() -> impl Iterator<Item = &'static Check> {
    let slices = [
        kernel::CHECKS,
        memory::CHECKS,
        path::CHECKS,
        drivers::CHECKS,
        arrays::CHECKS,
        privileges::CHECKS,
    ];
    slices.into_iter().flatten()
}
