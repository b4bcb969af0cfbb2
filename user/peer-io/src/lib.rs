// SPDX-License-Identifier: GPL-2.0
//! I/O between block devices and the memory of PCI devices (p2pmem): buffers, patterns to
//! know data by, transfers, and what they take. All that `p2pio` and `mdp2p verify` need.

pub mod measure;
pub mod memory;
pub mod pattern;
pub mod random;
pub mod size;
pub mod target;
pub mod transfer;
