// SPDX-License-Identifier: GPL-2.0
//! What the test programs are made of.
//!
//! - `p2pio` moves data through peer memory. [`mix`] makes up reads and writes, and compares them
//!   with a [`model`]. [`layout`] tells what the members of an array hold. [`report`] tells how a
//!   transfer went.
//! - `faults` and `sequences` try numbered cases in a guest, each a [`trial`] of the
//!   [`mod@array`] that is made of [`faulty`] devices. A [`fault_trial`] tries one of the [`faults`]. A
//!   [`sequence_trial`] plays one of the [`sequences`] of events, and keeps a [`history`].
//! - `soak` runs the cases of all sources: a [`soak`] writes a [`ledger`], which [`soak_tables`]
//!   sum up.
//! - `benches` runs all benches, collects their [`figures`], and writes docs/performance.md.
//!
//! The test `vm` runs scenarios: [`scenario`] reads their heads.

pub mod array;
pub mod fault_trial;
pub mod faults;
pub mod faulty;
pub mod figures;
pub mod history;
pub mod layout;
pub mod ledger;
pub mod level;
pub mod mix;
pub mod model;
pub mod partition;
pub mod report;
pub mod said;
pub mod scenario;
pub mod sequence_trial;
pub mod sequences;
pub mod soak;
pub mod soak_tables;
pub mod sysfs;
pub mod trial;
pub mod wait;
