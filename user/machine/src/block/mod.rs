// SPDX-License-Identifier: GPL-2.0
//! Block devices: what they are, what they hold, and who uses them.

pub mod contents;
pub mod device;
pub mod users;
