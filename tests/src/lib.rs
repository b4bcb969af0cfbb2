// SPDX-License-Identifier: GPL-2.0
//! What `p2pio` is made of beside what it shares with `mdp2p`: reads and writes at random
//! with a model of what they must leave ([`mix`], [`model`]), what md keeps where
//! ([`layout`]), and what is said of it all ([`report`]). Beside it, what a [`scenario`]
//! says of itself, a [`soak`] of everything with its [`ledger`] and the [`tally`] of it, and
//! the fault matrix: its [`cases`], and the [`rig`] that tries them.

pub mod cases;
pub mod layout;
pub mod ledger;
pub mod mix;
pub mod model;
pub mod partition;
pub mod report;
pub mod rig;
pub mod scenario;
pub mod soak;
pub mod tally;
