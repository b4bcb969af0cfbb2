// SPDX-License-Identifier: GPL-2.0
//! Changes arrays, modules and files.

pub mod enrolled;
pub mod file;
pub mod initramfs;
pub mod mdadm;
pub mod modprobe;
pub mod moving;
pub mod privilege;
pub mod setting;
