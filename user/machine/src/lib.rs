// SPDX-License-Identifier: GPL-2.0
//! Reads what a machine says of itself in `/sys`, `/proc` and `/dev`, below any root folder.
//!
//! This crate writes nothing, and knows no commands, tables or colours.

pub mod block;
pub mod capture;
pub mod kernel;
pub mod md;
pub mod pci;
pub mod programs;
pub mod sysroot;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text;
pub mod virtual_machine;
