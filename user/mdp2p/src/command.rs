// SPDX-License-Identifier: GPL-2.0
//! What every command is to the command line.

use anyhow::Result;
use mdp2p_machine::sysroot::Sysroot;

/// A command: its options, which clap reads, and what it does with them.
pub trait Command {
    /// Whether it changes the machine, or does I/O, with these options.
    fn changes(&self) -> bool;

    /// Runs the command and returns its exit status.
    ///
    /// # Errors
    /// What was wrong, where, and what to do about it.
    fn run(&self, root: &Sysroot) -> Result<u8>;
}
