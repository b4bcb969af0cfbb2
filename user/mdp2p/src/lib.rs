// SPDX-License-Identifier: GPL-2.0
//! `mdp2p`: MD arrays that take part in PCI peer-to-peer DMA, for the people who run them.
//!
//! What the machine says ([`host`], [`pci`], [`array`]) goes through rules ([`reach`]) into
//! a view, and that is shown ([`show`]) as a table, a drawing or JSON. Whatever changes
//! something is a plan first, which is shown, then applied.

pub mod assemble;
pub mod bench;
pub mod cli;
pub mod control;
pub mod create;
pub mod detail;
pub mod doctor;
pub mod enroll;
pub mod force;
pub mod incremental;
pub mod matrix;
pub mod mdadm;
pub mod module;
pub mod passed;
pub mod plan;
pub mod plot;
pub mod provider;
pub mod rate;
pub mod settings;
pub mod show;
pub mod stats;
pub mod svg;
pub mod target;
pub mod top;
pub mod topology;
pub mod verify;
pub mod went;
