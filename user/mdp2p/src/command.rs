// SPDX-License-Identifier: GPL-2.0
//! The interface between the command line and a command.

use anyhow::Result;
use mdp2p_machine::sysroot::Sysroot;

/// A command: its options, which clap parses, and what it does with them.
pub trait Command {
    /// Tells whether the command, with these options, changes the machine or does I/O.
    fn changes(&self) -> bool;

    /// Tells whether a file that cannot be read or understood costs only what is told of it.
    fn tolerates(&self) -> bool {
        false
    }

    /// Tells whether the command itself ends when a signal tells it to.
    fn handles_signals(&self) -> bool {
        false
    }

    /// Runs the command and returns its exit status.
    ///
    /// # Errors
    /// Says what was wrong, where, and what to do about it.
    fn run(&self, root: &Sysroot) -> Result<u8>;
}
