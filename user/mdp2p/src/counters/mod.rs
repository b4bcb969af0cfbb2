// SPDX-License-Identifier: GPL-2.0
//! The counters of arrays: at one time, per second, and as tables.

pub mod presentation;
pub mod rate;
pub mod sample;
