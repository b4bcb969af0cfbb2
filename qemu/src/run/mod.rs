// SPDX-License-Identifier: GPL-2.0
//! A run: a guest of some topology is booted to run one script. It is booted again as often as the
//! script asks for it.

mod boots;
mod control;
pub mod dmesg;
mod folder;
mod guest;
mod job;
mod options;
mod outcome;
pub mod trace;

pub use job::Modules;
pub use options::Run;
pub use outcome::{End, Outcome};
