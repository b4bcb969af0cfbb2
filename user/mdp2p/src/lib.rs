// SPDX-License-Identifier: GPL-2.0
//! `mdp2p`: MD arrays that take part in PCI peer-to-peer DMA, for the people who run them.
//!
//! [`cli`] parses the command line and runs one of the [`commands`]. A command reads the machine
//! through [`mdp2p_machine`], prints through [`ui`], and changes things through [`control`]. Every
//! change is a plan first: the plan is shown, then applied.

pub mod archive;
pub mod arguments;
pub mod cli;
pub mod command;
pub mod commands;
pub mod completions;
pub mod control;
pub mod counters;
pub mod manual;
pub mod signals;
pub mod staging;
pub mod status;
pub mod ui;
pub mod workload;
