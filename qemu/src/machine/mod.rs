// SPDX-License-Identifier: GPL-2.0
//! The machine that QEMU shows to a guest: a topology, as QEMU's command line, with the
//! processors that work here; and what QEMU can be told while it runs.

mod command_line;
mod devices;
pub mod kvm;
mod places;
pub mod qmp;
pub mod topology;

pub use command_line::{Accel, Channels, Machine, Processors};
pub use devices::device;
pub use places::{Boot, ENVIRONMENT, JOB, OUT, RUN, SYSTEM};
pub use topology::{Drive, Topology};
