// SPDX-License-Identifier: GPL-2.0
//! What a machine says of itself in `/sys`, `/proc` and `/dev`, below any root folder.
//!
//! It is read here and never written. Nothing here knows commands, tables or colours.

pub mod block;
pub mod kernel;
pub mod md;
pub mod pci;
pub mod programs;
pub mod sysroot;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
