// SPDX-License-Identifier: GPL-2.0
//! The checks, a file for each of their subjects.

mod arrays;
mod drivers;
mod kernel;
mod memory;
mod path;
mod privileges;

use super::check::Check;

/// All of them, in the order in which one would set a machine up.
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
