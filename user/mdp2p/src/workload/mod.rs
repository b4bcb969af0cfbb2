// SPDX-License-Identifier: GPL-2.0
//! What `verify` and `bench` do their I/O on and with.

pub mod path_taken;
pub mod provider;
pub mod site;
