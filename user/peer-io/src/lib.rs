// SPDX-License-Identifier: GPL-2.0
//! I/O between block devices and the memory of PCI devices (p2pmem).
//!
//! This crate has everything that `p2pio`, `mdp2p verify` and `mdp2p bench` need: buffers, targets,
//! patterns that identify data, transfers and measurements.

pub mod measure;
pub mod memory;
pub mod pattern;
pub mod random;
pub mod raw;
pub mod size;
pub mod target;
pub mod transfer;
