// SPDX-License-Identifier: GPL-2.0

//! What went which way: counters per array and per CPU.

use kernel::prelude::*;

use crate::{
    decide::reach::SLOTS,
    ffi::{bindings::*, md_p2p_counter, PerCpu},
};

const _: () = assert!(SLOTS == MD_P2P_SLOTS as usize);

/// The counters of one array. They only grow.
pub(crate) struct Stats(PerCpu);

impl Stats {
    /// All zero. Sleeps.
    pub(crate) fn new() -> Result<Self> {
        PerCpu::new().map(Self)
    }

    /// One I/O of `bytes` that has succeeded. Does not sleep.
    pub(crate) fn count(&self, write: bool, direct: bool, bytes: u64) {
        let (in_bytes, in_ios) = match (write, direct) {
            (false, true) => (
                md_p2p_counter_MD_P2P_READ_DIRECT_BYTES,
                md_p2p_counter_MD_P2P_READ_DIRECT_IOS,
            ),
            (false, false) => (
                md_p2p_counter_MD_P2P_READ_STAGED_BYTES,
                md_p2p_counter_MD_P2P_READ_STAGED_IOS,
            ),
            (true, true) => (
                md_p2p_counter_MD_P2P_WRITE_DIRECT_BYTES,
                md_p2p_counter_MD_P2P_WRITE_DIRECT_IOS,
            ),
            (true, false) => (
                md_p2p_counter_MD_P2P_WRITE_STAGED_BYTES,
                md_p2p_counter_MD_P2P_WRITE_STAGED_IOS,
            ),
        };
        self.0.add(in_bytes, bytes);
        self.0.add(in_ios, 1);
    }

    /// One I/O that was refused. Does not sleep.
    pub(crate) fn count_refused(&self) {
        self.0.add(md_p2p_counter_MD_P2P_REFUSED_IOS, 1);
    }

    /// Bytes that a rebuild has written. Does not sleep.
    pub(crate) fn count_rebuild(&self, peer: bool, bytes: u64) {
        let which = match peer {
            true => md_p2p_counter_MD_P2P_REBUILD_PEER_BYTES,
            false => md_p2p_counter_MD_P2P_REBUILD_HOST_BYTES,
        };
        self.0.add(which, bytes);
    }

    /// Direct bytes of the member in `slot`. Does not sleep.
    pub(crate) fn count_member(&self, slot: usize, write: bool, bytes: u64) {
        if let Some(which) = of_member(slot, write) {
            self.0.add(which, bytes);
        }
    }

    /// Those bytes; 0 for a member without a slot, which is never direct.
    pub(crate) fn member_bytes(&self, slot: usize, write: bool) -> u64 {
        of_member(slot, write).map_or(0, |which| self.value(which))
    }

    /// A new member in `slot`, with no I/O yet.
    pub(crate) fn clear_member(&self, slot: usize) {
        for which in [false, true].map(|write| of_member(slot, write)) {
            which.map(|which| self.0.clear(which));
        }
    }

    /// The value of one counter, over all CPUs.
    pub(crate) fn value(&self, which: md_p2p_counter) -> u64 {
        self.0.sum(which)
    }
}

fn of_member(slot: usize, write: bool) -> Option<md_p2p_counter> {
    let first = if write {
        md_p2p_counter_MD_P2P_MEMBER_WRITE_BYTES
    } else {
        md_p2p_counter_MD_P2P_MEMBER_READ_BYTES
    };
    (slot < SLOTS).then_some(first + slot as md_p2p_counter)
}
