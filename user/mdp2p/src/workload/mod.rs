// SPDX-License-Identifier: GPL-2.0
//! What `verify` and `bench` share: where they may do I/O, with whose memory, and which path the
//! data took.

pub mod file;
pub mod path_taken;
pub mod pieces;
pub mod provider;
pub mod site;
pub mod subject;
#[cfg(test)]
mod testing;
pub mod uses;
