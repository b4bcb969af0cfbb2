// SPDX-License-Identifier: GPL-2.0

//! What went which way: counters per array and per CPU.

use kernel::prelude::*;

use crate::ffi::{bindings::*, md_p2p_counter, PerCpu};

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

    /// The value of one counter, over all CPUs.
    pub(crate) fn value(&self, which: md_p2p_counter) -> u64 {
        self.0.sum(which)
    }
}
