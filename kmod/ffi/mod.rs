// SPDX-License-Identifier: GPL-2.0

//! The only place with raw pointers of C's: each type here owns or borrows
//! something of C's and makes it safe to use. `ffi/NAME.rs` is for what
//! `shim/NAME.c` does, and `handle.rs` for what C keeps of Rust's.
//!
//! C header: `include/shim.h`.

pub(crate) mod bindings;
pub(crate) mod counters;
mod engine;
mod handle;
mod helpers;
mod members;
mod p2pmem;
mod pci;
mod stager;

pub(crate) use self::{
    bindings::{
        md_p2p_array, md_p2p_counter, md_p2p_engine, md_p2p_event, md_p2p_names, md_p2p_pages,
        md_p2p_route, md_p2p_stager, md_rdev, mddev,
    },
    engine::Engine,
    handle::{
        borrow, boxed_from_c, boxed_into_c, page, shared_from_c, shared_into_c, word, Opaque,
    },
    helpers::{milliseconds, random, Global, RcuBox},
    members::{Mddev, Member, MemberId},
    p2pmem::{rebuild_share, PeerPages},
    pci::{look_for_providers, PciDev},
    stager::Stager,
};
