// SPDX-License-Identifier: GPL-2.0
//! The kernels of a machine, and the modules that are installed for them.

pub mod config;
pub mod modules;
pub mod release;
pub mod secure_boot;
pub mod support;
