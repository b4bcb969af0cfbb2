// SPDX-License-Identifier: GPL-2.0

//! Peer pages that rebuilds take, and how many they may take.

use core::ptr::NonNull;
use kernel::{ffi::c_void, page::PAGE_SIZE, prelude::*};

use super::{bindings, pci::PciDev};

/// Peer pages side by side. They come from the pool of their provider, and go
/// back when this value goes. The provider's driver is not unbound before.
///
/// # Invariants
///
/// `first` and `count` are of `shim_peer_pages_alloc()`; the references to the
/// pages are this value's.
pub(crate) struct PeerPages {
    first: NonNull<c_void>,
    count: usize,
}

// SAFETY: Nobody else has the memory. It is accessed in whole words, and may be
// returned from anywhere.
unsafe impl Send for PeerPages {}
// SAFETY: As above.
unsafe impl Sync for PeerPages {}

impl PeerPages {
    /// Takes pages from `provider`. Returns `None` if it has no room, or has no
    /// peer pages at `window`, an address of the bus, any more. Does not sleep.
    pub(crate) fn alloc(provider: &PciDev, window: u64, count: usize) -> Option<Self> {
        // SAFETY: The device is alive by the invariant.
        let first =
            unsafe { bindings::shim_peer_pages_alloc(provider.as_raw(), window, count as u32) };
        // INVARIANT: Just allocated.
        NonNull::new(first).map(|first| Self { first, count })
    }

    /// Returns the address by which the kernel sees them.
    pub(crate) fn address(&self) -> *mut c_void {
        self.first.as_ptr()
    }

    /// Returns the word with this byte, or the last word if that is before it.
    fn word(&self, byte: usize) -> *mut u64 {
        let last = self.count * PAGE_SIZE / size_of::<u64>() - 1;
        let index = (byte / size_of::<u64>()).min(last);
        self.first.as_ptr().cast::<u64>().wrapping_add(index)
    }

    /// Reads a word over the bus, which is slow. Returns ones if the provider is
    /// gone.
    pub(crate) fn read(&self, byte: usize) -> u64 {
        // SAFETY: `word()` is in the pages, which are this value's and mapped.
        unsafe { self.word(byte).read_volatile() }
    }

    /// Writes a word over the bus.
    pub(crate) fn write(&self, byte: usize, value: u64) {
        // SAFETY: As in `read()`.
        unsafe { self.word(byte).write_volatile(value) };
    }
}

impl Drop for PeerPages {
    fn drop(&mut self) {
        // SAFETY: The references are given back once, by the invariant.
        unsafe { bindings::shim_peer_pages_put(self.first.as_ptr(), self.count as u32) };
    }
}
/// Returns how many percent of a provider's memory rebuilds may have: the module
/// parameter `p2pdma_rebuild_share`.
pub(crate) fn rebuild_share() -> u32 {
    // SAFETY: No requirements.
    unsafe { bindings::shim_rebuild_share() }
}
