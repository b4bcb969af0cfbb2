// SPDX-License-Identifier: GPL-2.0

//! MD's members and arrays.

use core::ptr::{self, NonNull};
use kernel::{prelude::*, str::CStr};

use super::{
    bindings::{self, md_rdev, mddev},
    pci::PciDev,
    stager::Stager,
};
use crate::text::Name;

/// A member.
///
/// # Invariants
///
/// MD keeps it, with its block device open, at least until
/// `md_p2p_glue_member_removed()` has returned.
pub(crate) struct Member(NonNull<md_rdev>);

// SAFETY: What is asked of it may be asked from any thread.
unsafe impl Send for Member {}

/// The number of paths that a member may have.
const MAX_CLIENTS: usize = 8;

/// See [`Member::clients`].
pub(crate) type Clients = [Option<PciDev>; MAX_CLIENTS];

/// Tells members apart. It outlives the member, and is never followed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemberId(usize);

impl Member {
    /// # Safety
    ///
    /// `rdev` is a member with its block device open, and the value is dropped
    /// before `md_p2p_glue_member_removed()` returns.
    pub(crate) unsafe fn new(rdev: NonNull<md_rdev>) -> Self {
        // INVARIANT: By the safety requirements.
        Self(rdev)
    }

    /// Returns what tells it apart.
    pub(crate) fn id(&self) -> MemberId {
        MemberId(self.0.as_ptr() as usize)
    }

    /// Returns the PCI devices of which any may do the member's DMA: one, or the
    /// paths of a multipath device. Returns none if they are not known, or are no
    /// PCI devices. Sleeps.
    pub(crate) fn clients(&self) -> Clients {
        let mut clients = [ptr::null_mut(); MAX_CLIENTS];
        // SAFETY: The member is alive by the invariant, and `clients` as large
        // as is said.
        unsafe {
            bindings::shim_member_clients(
                self.0.as_ptr(),
                clients.as_mut_ptr(),
                MAX_CLIENTS as u32,
            );
        }
        clients.map(|client| {
            // SAFETY: Each that was filled in carries a reference.
            NonNull::new(client).map(|client| unsafe { PciDev::from_raw(client) })
        })
    }

    /// Returns the name of its block device.
    pub(crate) fn name(&self) -> Name {
        let mut bytes = [0u8; 32];
        // SAFETY: The member is alive by the invariant, and `bytes` as large
        // as is said.
        let length = unsafe {
            bindings::shim_member_name(self.0.as_ptr(), bytes.as_mut_ptr().cast(), bytes.len())
        };
        Name::of(bytes.get(..length as usize).unwrap_or_default())
    }

    /// Tells whether its driver can map peer pages at all.
    pub(crate) fn maps_peer(&self) -> bool {
        // SAFETY: The member is alive by the invariant.
        unsafe { bindings::shim_member_maps_peer(self.0.as_ptr()) }
    }

    /// Tells C the member's place in a row of distances.
    pub(crate) fn set_slot(&self, slot: usize) {
        // SAFETY: The member is alive by the invariant. A slot is small.
        unsafe { bindings::shim_member_set_slot(self.0.as_ptr(), slot as u32) };
    }

    /// Tells whether it is a write journal, which is handed copies only.
    pub(crate) fn is_journal(&self) -> bool {
        // SAFETY: The member is alive by the invariant.
        unsafe { bindings::shim_member_is_journal(self.0.as_ptr()) }
    }
}

impl MemberId {
    /// Returns the identity of a member that may be gone already.
    pub(crate) fn of(rdev: *const md_rdev) -> Self {
        Self(rdev as usize)
    }
}

/// An array as MD knows it.
///
/// # Invariants
///
/// MD keeps it at least until `md_p2p_glue_array_free()`.
pub(crate) struct Mddev(NonNull<mddev>);

// SAFETY: What is asked of it may be asked from any thread.
unsafe impl Send for Mddev {}

impl Mddev {
    /// # Safety
    ///
    /// The value is dropped before MD frees `mddev`.
    pub(crate) unsafe fn new(mddev: NonNull<mddev>) -> Self {
        // INVARIANT: By the safety requirements.
        Self(mddev)
    }

    /// Returns its name, as in `/proc/mdstat`.
    pub(crate) fn name(&self) -> &CStr {
        // SAFETY: Alive by the invariant, and so is its name, a C string.
        unsafe { CStr::from_char_ptr(bindings::shim_array_name(self.0.as_ptr())) }
    }

    /// Returns md's number of its level.
    pub(crate) fn level(&self) -> i32 {
        // SAFETY: Alive by the invariant.
        unsafe { bindings::shim_array_level(self.0.as_ptr()) }
    }

    /// Tells whether it has been started, and not stopped since.
    pub(crate) fn runs(&self) -> bool {
        // SAFETY: Alive by the invariant.
        unsafe { bindings::shim_array_runs(self.0.as_ptr()) }
    }

    /// Makes what staging needs. Sleeps.
    pub(crate) fn stager(&self) -> Result<Stager> {
        // SAFETY: Alive by the invariant until `md_p2p_glue_array_free()`, which
        // drops the stager.
        unsafe { Stager::new(self.0) }
    }

    /// Sets or clears `BLK_FEAT_PCI_P2PDMA`, if the array runs. Returns `false`
    /// if someone else is changing the queue limits right now.
    #[must_use]
    pub(crate) fn advertise(&self, advertise: bool) -> bool {
        // SAFETY: Alive by the invariant.
        unsafe { bindings::shim_array_advertise(self.0.as_ptr(), advertise) }
    }
}
