// SPDX-License-Identifier: GPL-2.0
//! The list of the commands. Each is a file or a folder here with its options and what it does;
//! none knows another.

use clap::Subcommand;

use crate::command::Command;

pub mod assemble;
pub mod bench;
pub mod capture;
pub mod create;
pub mod detail;
pub mod doctor;
pub mod enroll;
pub mod incremental;
pub mod list;
pub mod mdadm;
pub mod module;
pub mod settings;
pub mod stats;
pub mod top;
pub mod topology;
pub mod verify;

/// Makes the enum that clap reads, and a [`Command`] of each of its variants.
macro_rules! commands {
    ($($(#[$about:meta])* $name:ident($options:ty),)*) => {
        /// A command with its options.
        #[derive(Debug, Subcommand)]
        pub enum Verb {
            $($(#[$about])* $name($options),)*
        }

        impl Verb {
            /// Returns the command.
            pub fn command(&self) -> &dyn Command {
                match self {
                    $(Verb::$name(options) => options,)*
                }
            }
        }
    };
}

commands! {
    /// Show the PCIe tree, the arrays on it, and who reaches whose memory
    Topology(topology::Topology),
    /// Check whether this machine can do peer-to-peer DMA, and how to fix what is missing
    Doctor(doctor::Doctor),
    /// List the arrays
    List(list::List),
    /// Show everything about an array
    Detail(detail::Detail),
    /// Show which way the bytes went
    Stats(stats::Stats),
    /// Watch on the whole screen which way the bytes go
    Top(top::Top),
    /// Make an array: show what it will be able to do, then let mdadm make it
    Create(create::Create),
    /// Assemble an array from its members
    Assemble(assemble::Assemble),
    /// Stop arrays
    Stop(assemble::Stop),
    /// Let an array come up under md-p2p after each boot, or list the enrolled arrays
    Enroll(enroll::Enroll),
    /// Give an enrolled array back to the kernel's md
    Release(enroll::Release),
    /// Called by udev: add a member to an enrolled array
    #[command(hide = true)]
    Incremental(incremental::Incremental),
    /// Run any mdadm command, unchanged, so that it talks to md-p2p
    Mdadm(mdadm::Mdadm),
    /// Show or set what to do with peer I/O that cannot be direct
    Policy(settings::SetPolicy),
    /// Show or set the provider whose memory rebuilds use
    Provider(settings::SetProvider),
    /// Move data between providers and an array, and check the data and their path
    Verify(verify::Verify),
    /// Measure peer memory against host memory
    Bench(bench::Bench),
    /// Take what the other commands read of this machine into a file, for a bug report
    Capture(capture::Capture),
    /// Build, install, load, sign and inspect the kernel modules
    Module(module::Module),
}
