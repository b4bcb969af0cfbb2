// SPDX-License-Identifier: GPL-2.0
//! `mdp2p`: MD arrays that take part in PCI peer-to-peer DMA, for the people who run them.
//!
//! What the machine says ([`host`], [`pci`], [`array`]) goes through rules ([`reach`]) into
//! a view, and that is shown ([`show`]) as a table, a drawing or JSON. Whatever changes
//! something is a plan first, which is shown, then applied.

pub mod array;
pub mod assemble;
pub mod bdf;
pub mod bench;
pub mod cli;
pub mod command;
pub mod create;
pub mod detail;
pub mod device;
pub mod doctor;
pub mod enroll;
pub mod force;
pub mod host;
pub mod incremental;
pub mod kernel;
pub mod layout;
pub mod matrix;
pub mod mdadm;
pub mod measure;
pub mod memory;
pub mod module;
pub mod names;
pub mod passed;
pub mod pattern;
pub mod pci;
pub mod plan;
pub mod plot;
pub mod provider;
pub mod random;
pub mod rate;
pub mod reach;
pub mod settings;
pub mod show;
pub mod size;
pub mod stats;
pub mod svg;
pub mod target;
pub mod top;
pub mod topology;
pub mod transfer;
pub mod uses;
pub mod verify;
pub mod went;
