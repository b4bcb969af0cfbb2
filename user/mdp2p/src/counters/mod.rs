// SPDX-License-Identifier: GPL-2.0
//! What arrays have counted: at one time, between two, and as a table.

pub mod presentation;
pub mod rate;
pub mod sample;
