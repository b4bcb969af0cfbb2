// SPDX-License-Identifier: GPL-2.0

//! What md-p2p decides. Everything here is pure, so it is compiled twice: as a
//! part of the kernel module, and as the crate `md-p2p-decide`. mdp2p plans with
//! the crate, and the tests try it.
//!
//! Tests: `tests/tests/routing.rs` and `tests/tests/names.rs`.

pub mod names;
pub mod pause;
pub mod reach;
pub mod route;
