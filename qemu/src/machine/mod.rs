// SPDX-License-Identifier: GPL-2.0
//! The machine that QEMU shows to a guest. A topology becomes QEMU's command line, with the
//! processors that work here. While QEMU runs, it can be told more through its monitor.

mod command_line;
mod devices;
pub mod kvm;
mod places;
pub mod qmp;
pub mod topology;

pub use command_line::{Accel, Channels, Machine, Pace, Processors};
pub use devices::device;
pub use places::{Boot, ENVIRONMENT, JOB, OUT, RUN, SYSTEM, TRACE};
pub use topology::{Drive, Topology};
