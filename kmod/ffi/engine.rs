// SPDX-License-Identifier: GPL-2.0

//! DMA engines that copy what is staged.
//!
//! C header: `include/linux/dmaengine.h`.

use core::ptr::NonNull;
use kernel::{ffi::c_char, prelude::*, str::CStr};

use super::{bindings, pci::PciDev};

/// A DMA engine.
///
/// # Invariants
///
/// Holds a reference.
#[derive(PartialEq, Eq)]
pub(crate) struct Engine(NonNull<bindings::md_p2p_engine>);

// SAFETY: A counted reference; C locks what is in it.
unsafe impl Send for Engine {}
// SAFETY: As above.
unsafe impl Sync for Engine {}

impl Engine {
    /// Finds the engine nearest to a provider that reaches its memory. Sleeps.
    pub(crate) fn find(provider: &PciDev) -> Option<Self> {
        // SAFETY: The device is alive by the invariant.
        let engine = unsafe { bindings::shim_engine_find(provider.as_raw()) };
        // INVARIANT: It carries a reference.
        NonNull::new(engine).map(Self)
    }

    /// Tells whether its driver has it still. Does not sleep.
    pub(crate) fn is_there(&self) -> bool {
        // SAFETY: The engine is alive by the invariant.
        unsafe { bindings::shim_engine_is_there(self.0.as_ptr()) }
    }

    /// Tells whether [`Engine::find`] could still find it. Sleeps.
    pub(crate) fn serves(&self, provider: &PciDev) -> bool {
        // SAFETY: Both are alive by their invariants.
        unsafe { bindings::shim_engine_serves(self.0.as_ptr(), provider.as_raw()) }
    }

    /// Returns the name of its channel, such as `dma0chan0`.
    pub(crate) fn channel(&self) -> &str {
        // SAFETY: The engine is alive by the invariant, and so is the name.
        unsafe { name(bindings::shim_engine_channel(self.0.as_ptr())) }
    }

    /// Returns the name of its device: a PCI address.
    pub(crate) fn device(&self) -> &str {
        // SAFETY: The engine is alive by the invariant, and so is the name.
        unsafe { name(bindings::shim_engine_device(self.0.as_ptr())) }
    }

    /// Gives C a reference of its own.
    pub(crate) fn into_c(self) -> *mut bindings::md_p2p_engine {
        let engine = self.0.as_ptr();
        core::mem::forget(self);
        engine
    }
}

/// # Safety
///
/// `name` is a C string that lives during `'a`.
unsafe fn name<'a>(name: *const c_char) -> &'a str {
    // SAFETY: By the safety requirements.
    let name = unsafe { CStr::from_char_ptr(name) };
    // Names of devices are ASCII.
    core::str::from_utf8(name.to_bytes()).unwrap_or("?")
}

impl Clone for Engine {
    fn clone(&self) -> Self {
        // SAFETY: The engine is alive by the invariant.
        unsafe { bindings::shim_engine_get(self.0.as_ptr()) };
        // INVARIANT: The reference was just taken.
        Self(self.0)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // SAFETY: The reference is given back once. Providers, and so engines, go
        // where it may sleep.
        unsafe { bindings::shim_engine_put(self.0.as_ptr()) };
    }
}
