// SPDX-License-Identifier: GPL-2.0
//! What `p2pio` is made of: data that know where they belong ([`pattern`]),
//! memory of this machine and of PCI devices ([`memory`]), I/O between the two
//! ([`transfer`]), reads and writes at random with a model of what they must leave
//! ([`mix`], [`model`], [`random`]), what md keeps where ([`layout`]), and what is
//! said of it all ([`report`]). Beside it, what a [`scenario`] says of itself.

pub mod layout;
pub mod memory;
pub mod mix;
pub mod model;
pub mod pattern;
pub mod random;
pub mod report;
pub mod scenario;
pub mod size;
pub mod transfer;
