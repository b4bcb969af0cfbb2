// SPDX-License-Identifier: GPL-2.0

//! PCI devices.
//!
//! C header: `include/linux/pci-p2pdma.h`.

use core::ptr::{self, NonNull};
use kernel::{fmt, prelude::*, str::CStr};

use super::bindings;

/// A PCI device.
///
/// # Invariants
///
/// Holds a reference.
#[derive(PartialEq, Eq)]
pub(crate) struct PciDev(NonNull<bindings::pci_dev>);

// SAFETY: A counted reference, and all that is asked of the device may be
// asked from any thread.
unsafe impl Send for PciDev {}
// SAFETY: As above.
unsafe impl Sync for PciDev {}

impl PciDev {
    /// # Safety
    ///
    /// `dev` carries a reference, which is this value's from now on.
    pub(super) unsafe fn from_raw(dev: NonNull<bindings::pci_dev>) -> Self {
        // INVARIANT: By the safety requirements.
        Self(dev)
    }

    /// The device for C, as long as this value lives.
    pub(super) fn as_raw(&self) -> *mut bindings::pci_dev {
        self.0.as_ptr()
    }

    /// Goes through every PCI device of the machine. Sleeps.
    pub(crate) fn all() -> PciDevs {
        PciDevs(None)
    }

    /// Returns the address as `lspci -D` prints it.
    fn name(&self) -> &[u8] {
        // SAFETY: The device is alive by the invariant, and so is its name, a
        // C string.
        unsafe { CStr::from_char_ptr(bindings::shim_pci_name(self.0.as_ptr())) }.to_bytes()
    }

    /// Returns domain, bus, device and function in one number, as `shim.h` says.
    pub(crate) fn id(&self) -> u64 {
        // SAFETY: The device is alive by the invariant.
        unsafe { bindings::shim_pci_id(self.0.as_ptr()) }
    }

    /// Tells whether it may have peer pages.
    pub(crate) fn has_p2pdma(&self) -> bool {
        // SAFETY: The device is alive by the invariant.
        unsafe { bindings::shim_pci_has_p2pdma(self.0.as_ptr()) }
    }

    /// Tells whether anyone may allocate its peer pages. Sleeps.
    pub(crate) fn publishes(&self) -> bool {
        // SAFETY: The device is alive by the invariant.
        unsafe { bindings::shim_pci_publishes(self.0.as_ptr()) }
    }

    /// Tells whether it answers on the bus, with its memory. Does not sleep.
    pub(crate) fn answers(&self) -> bool {
        // SAFETY: The device is alive by the invariant.
        unsafe { bindings::shim_pci_answers(self.0.as_ptr()) }
    }

    /// Returns the ends of the first peer pages in BAR `bar` that are at or behind
    /// the byte `from` of the bus: their first and last byte.
    pub(crate) fn p2pmem(&self, bar: u32, from: u64) -> Option<(u64, u64)> {
        let (mut start, mut end) = (0, 0);
        // SAFETY: The device is alive by the invariant, both pointers are.
        unsafe { bindings::shim_pci_p2pmem(self.0.as_ptr(), bar, from, &mut start, &mut end) }
            .then_some((start, end))
    }

    /// Returns `pci_p2pdma_distance()` from this provider to `client`; `None` if
    /// it is unreachable. Sleeps.
    pub(crate) fn distance(&self, client: &PciDev) -> Option<u32> {
        // SAFETY: Both devices are alive by the invariant.
        let distance = unsafe { bindings::shim_pci_distance(self.0.as_ptr(), client.0.as_ptr()) };
        u32::try_from(distance).ok()
    }
}

impl fmt::Display for PciDev {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A PCI name is ASCII: domain, bus, device and function.
        f.write_str(core::str::from_utf8(self.name()).unwrap_or("?"))
    }
}

impl Drop for PciDev {
    fn drop(&mut self) {
        // SAFETY: The reference is given back once.
        unsafe { bindings::shim_pci_put(self.0.as_ptr()) };
    }
}

impl Clone for PciDev {
    fn clone(&self) -> Self {
        // SAFETY: The device is alive by the invariant.
        unsafe { bindings::shim_pci_get(self.0.as_ptr()) };
        // INVARIANT: The reference was just taken.
        Self(self.0)
    }
}

/// See [`PciDev::all`].
pub(crate) struct PciDevs(Option<PciDev>);

impl Iterator for PciDevs {
    type Item = PciDev;

    fn next(&mut self) -> Option<PciDev> {
        let last = self.0.take();
        let from = last.as_ref().map_or(ptr::null_mut(), |dev| dev.0.as_ptr());
        // SAFETY: `from` is null or a device that `last` keeps alive.
        let next = NonNull::new(unsafe { bindings::shim_pci_next(from) })?;
        // INVARIANT: `shim_pci_next()` returns a reference.
        let next = PciDev(next);
        self.0 = Some(next.clone());
        Some(next)
    }
}
/// Has the providers looked up anew, soon. Does not sleep.
pub(crate) fn look_for_providers() {
    // SAFETY: No requirements.
    unsafe { bindings::shim_look_for_providers() };
}
