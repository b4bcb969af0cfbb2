// SPDX-License-Identifier: GPL-2.0

//! What staging needs. Rust only keeps it for C.

use core::ptr::NonNull;
use kernel::prelude::*;

use super::bindings::{self, mddev};

/// Host pages to stage with.
///
/// # Invariants
///
/// From `shim_stager_new()`, freed on drop only.
pub(crate) struct Stager(NonNull<bindings::md_p2p_stager>);

// SAFETY: C locks what is in it.
unsafe impl Send for Stager {}
// SAFETY: As above.
unsafe impl Sync for Stager {}

impl Stager {
    /// Makes one for an array. Sleeps.
    ///
    /// # Safety
    ///
    /// `mddev` outlives the value.
    pub(super) unsafe fn new(mddev: NonNull<mddev>) -> Result<Self> {
        // SAFETY: By the safety requirements.
        let stager = unsafe { bindings::shim_stager_new(mddev.as_ptr()) };
        // INVARIANT: Just made.
        NonNull::new(stager).map(Self).ok_or(ENOMEM)
    }

    /// Returns it for C to stage with.
    pub(crate) fn as_ptr(&self) -> *mut bindings::md_p2p_stager {
        self.0.as_ptr()
    }
}

impl Drop for Stager {
    fn drop(&mut self) {
        // SAFETY: Valid by the invariant; MD has no I/O any more.
        unsafe { bindings::shim_stager_free(self.0.as_ptr()) };
    }
}
