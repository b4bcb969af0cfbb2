// SPDX-License-Identifier: GPL-2.0
//! What changes arrays, modules and files.

pub mod file;
