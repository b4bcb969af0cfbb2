// SPDX-License-Identifier: GPL-2.0
//! `mdp2p`: MD arrays that take part in PCI peer-to-peer DMA, for the people who run them.
//!
//! [`cli`] reads the command line and runs one of the [`commands`]. A command asks
//! [`mdp2p_machine`] what the machine says of itself, shows it through [`ui`], and changes it
//! through [`control`]. Whatever changes something is a plan first, which is shown, then applied.

pub mod arguments;
pub mod cli;
pub mod command;
pub mod commands;
pub mod control;
pub mod counters;
pub mod status;
pub mod ui;
pub mod workload;
