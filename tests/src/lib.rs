// SPDX-License-Identifier: GPL-2.0
//! What `p2pio` is made of beside what it shares with `mdp2p`: reads and writes at random
//! with a model of what they must leave ([`mix`], [`model`]), what md keeps where
//! ([`layout`]), and what is said of it all ([`report`]). Beside it, what a [`scenario`]
//! says of itself, a [`soak`] of everything with its [`ledger`] and the [`tally`] of it, and
//! what is tried in a guest by number, each a [`trial`] with the array [`md0`] of [`faulty`]
//! devices: the [`cases`] of the fault matrix, which the [`rig`] tries, and [`sequences`] of
//! events, which are [`play`]ed and leave a [`history`].

pub mod cases;
pub mod faulty;
pub mod history;
pub mod layout;
pub mod ledger;
pub mod md0;
pub mod mix;
pub mod model;
pub mod partition;
pub mod play;
pub mod report;
pub mod rig;
pub mod scenario;
pub mod sequences;
pub mod soak;
pub mod tally;
pub mod trial;
