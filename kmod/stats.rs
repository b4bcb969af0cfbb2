// SPDX-License-Identifier: GPL-2.0

//! Counts what went which way, for each array and on each CPU.

use kernel::prelude::*;

use crate::{
    decide::reach::SLOTS,
    ffi::{
        counters::{self, PerCpu},
        md_p2p_counter,
    },
};

const _: () = assert!(SLOTS == counters::SLOTS as usize);

/// The counters of one array. They only grow.
pub(crate) struct Stats(PerCpu);

impl Stats {
    /// Returns counters that are all zero. Sleeps.
    pub(crate) fn new() -> Result<Self> {
        PerCpu::new().map(Self)
    }

    /// Counts an I/O of `bytes` that has succeeded. Does not sleep.
    pub(crate) fn count(&self, write: bool, direct: bool, bytes: u64) {
        let (in_bytes, in_ios) = match (write, direct) {
            (false, true) => (counters::READ_DIRECT_BYTES, counters::READ_DIRECT_IOS),
            (false, false) => (counters::READ_STAGED_BYTES, counters::READ_STAGED_IOS),
            (true, true) => (counters::WRITE_DIRECT_BYTES, counters::WRITE_DIRECT_IOS),
            (true, false) => (counters::WRITE_STAGED_BYTES, counters::WRITE_STAGED_IOS),
        };
        self.0.add(in_bytes, bytes);
        self.0.add(in_ios, 1);
    }

    /// Counts staged bytes that a DMA engine has copied. Does not sleep.
    pub(crate) fn count_engine(&self, bytes: u64) {
        self.0.add(counters::STAGED_ENGINE_BYTES, bytes);
    }

    /// Counts an I/O that was refused. Does not sleep.
    pub(crate) fn count_refused(&self) {
        self.0.add(counters::REFUSED_IOS, 1);
    }

    /// Counts bytes that a rebuild has written. Does not sleep.
    pub(crate) fn count_rebuild(&self, peer: bool, bytes: u64) {
        let which = match peer {
            true => counters::REBUILD_PEER_BYTES,
            false => counters::REBUILD_HOST_BYTES,
        };
        self.0.add(which, bytes);
    }

    /// Counts direct bytes of the member in `slot`. Does not sleep.
    pub(crate) fn count_member(&self, slot: usize, write: bool, bytes: u64) {
        if let Some(which) = of_member(slot, write) {
            self.0.add(which, bytes);
        }
    }

    /// Returns the direct bytes of the member in `slot`. A member without a slot is
    /// never direct, so it has 0.
    pub(crate) fn member_bytes(&self, slot: usize, write: bool) -> u64 {
        of_member(slot, write).map_or(0, |which| self.value(which))
    }

    /// Clears the counters of `slot` for a new member.
    pub(crate) fn clear_member(&self, slot: usize) {
        for which in [false, true].map(|write| of_member(slot, write)) {
            which.map(|which| self.0.clear(which));
        }
    }

    /// Returns the value of one counter, over all CPUs.
    pub(crate) fn value(&self, which: md_p2p_counter) -> u64 {
        self.0.sum(which)
    }
}

fn of_member(slot: usize, write: bool) -> Option<md_p2p_counter> {
    let first = if write {
        counters::MEMBER_WRITE_BYTES
    } else {
        counters::MEMBER_READ_BYTES
    };
    (slot < SLOTS).then_some(first + slot as md_p2p_counter)
}
