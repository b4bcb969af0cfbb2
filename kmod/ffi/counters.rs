// SPDX-License-Identifier: GPL-2.0

//! The counters of an array. Their names are those of `enum md_p2p_counter`.

use core::ptr::NonNull;
use kernel::prelude::*;

use super::bindings::{self, md_p2p_counter};

pub(crate) use super::bindings::{
    md_p2p_counter_MD_P2P_MEMBER_READ_BYTES as MEMBER_READ_BYTES,
    md_p2p_counter_MD_P2P_MEMBER_WRITE_BYTES as MEMBER_WRITE_BYTES,
    md_p2p_counter_MD_P2P_READ_DIRECT_BYTES as READ_DIRECT_BYTES,
    md_p2p_counter_MD_P2P_READ_DIRECT_IOS as READ_DIRECT_IOS,
    md_p2p_counter_MD_P2P_READ_STAGED_BYTES as READ_STAGED_BYTES,
    md_p2p_counter_MD_P2P_READ_STAGED_IOS as READ_STAGED_IOS,
    md_p2p_counter_MD_P2P_REBUILD_HOST_BYTES as REBUILD_HOST_BYTES,
    md_p2p_counter_MD_P2P_REBUILD_PEER_BYTES as REBUILD_PEER_BYTES,
    md_p2p_counter_MD_P2P_REFUSED_IOS as REFUSED_IOS,
    md_p2p_counter_MD_P2P_STAGED_ENGINE_BYTES as STAGED_ENGINE_BYTES,
    md_p2p_counter_MD_P2P_WRITE_DIRECT_BYTES as WRITE_DIRECT_BYTES,
    md_p2p_counter_MD_P2P_WRITE_DIRECT_IOS as WRITE_DIRECT_IOS,
    md_p2p_counter_MD_P2P_WRITE_STAGED_BYTES as WRITE_STAGED_BYTES,
    md_p2p_counter_MD_P2P_WRITE_STAGED_IOS as WRITE_STAGED_IOS, MD_P2P_SLOTS as SLOTS,
};

/// Per-CPU counters of an array, one for each [`md_p2p_counter`].
///
/// # Invariants
///
/// From `shim_counters_new()`, freed on drop only.
pub(crate) struct PerCpu(NonNull<bindings::md_p2p_counters>);

// SAFETY: Adding is per CPU, and summing reads whole words.
unsafe impl Send for PerCpu {}
// SAFETY: As above.
unsafe impl Sync for PerCpu {}

impl PerCpu {
    /// Returns counters that are all zero. Sleeps.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: No requirements.
        let counters = unsafe { bindings::shim_counters_new() };
        // INVARIANT: Just made.
        NonNull::new(counters).map(Self).ok_or(ENOMEM)
    }

    /// Adds to a counter of this CPU. Does not sleep.
    pub(crate) fn add(&self, which: md_p2p_counter, value: u64) {
        // SAFETY: Valid by the invariant.
        unsafe { bindings::shim_counters_add(self.0.as_ptr(), which, value) };
    }

    /// Sets a counter to zero, while nobody adds to it.
    pub(crate) fn clear(&self, which: md_p2p_counter) {
        // SAFETY: Valid by the invariant.
        unsafe { bindings::shim_counters_clear(self.0.as_ptr(), which) };
    }

    /// Returns the sum of a counter over all CPUs.
    pub(crate) fn sum(&self, which: md_p2p_counter) -> u64 {
        // SAFETY: Valid by the invariant.
        unsafe { bindings::shim_counters_sum(self.0.as_ptr(), which) }
    }
}

impl Drop for PerCpu {
    fn drop(&mut self) {
        // SAFETY: Valid by the invariant, and never used again.
        unsafe { bindings::shim_counters_free(self.0.as_ptr()) };
    }
}
