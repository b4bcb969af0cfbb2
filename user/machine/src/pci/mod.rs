// SPDX-License-Identifier: GPL-2.0
//! PCI: the devices, how they are connected, and which device reaches whose memory by the kernel's
//! rules.

pub mod advice;
pub mod bdf;
pub mod config;
pub mod controllers;
pub mod devices;
pub mod engines;
pub mod ids;
pub mod reach;
mod trusted;
