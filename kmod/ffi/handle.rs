// SPDX-License-Identifier: GPL-2.0

//! Pointers that C keeps for Rust, and the words and pages that C passes.

use core::ptr;
use kernel::{ffi::c_char, prelude::*, sync::Arc};

/// A structure of C's that C never looks into, because Rust knows what it is.
pub(crate) trait Opaque {
    /// What a pointer to it really points to.
    type Is;
}

/// Gives C a shared value.
pub(crate) fn shared_into_c<C: Opaque>(value: Arc<C::Is>) -> *mut C {
    Arc::into_raw(value).cast_mut().cast()
}

/// Takes back what [`shared_into_c`] gave away.
///
/// # Safety
///
/// `handle` came from [`shared_into_c`]; once only.
pub(crate) unsafe fn shared_from_c<C: Opaque>(handle: *mut C) -> Arc<C::Is> {
    // SAFETY: By the safety requirements.
    unsafe { Arc::from_raw(handle.cast::<C::Is>()) }
}

/// Gives C a value of its own. Returns null if there is no memory even for that.
/// Does not sleep.
pub(crate) fn boxed_into_c<C: Opaque>(value: C::Is) -> *mut C {
    KBox::new(value, GFP_NOWAIT | __GFP_NOWARN)
        .map_or(ptr::null_mut(), |value| KBox::into_raw(value).cast())
}

/// Takes back what [`boxed_into_c`] gave away.
///
/// # Safety
///
/// `handle` came from [`boxed_into_c`] and is not null; once only.
pub(crate) unsafe fn boxed_from_c<C: Opaque>(handle: *mut C) -> KBox<C::Is> {
    // SAFETY: By the safety requirements.
    unsafe { KBox::from_raw(handle.cast::<C::Is>()) }
}

/// Looks at what C was given.
///
/// # Safety
///
/// `handle` came from [`shared_into_c`] or [`boxed_into_c`] and is not null. It
/// is not taken back during `'a`.
pub(crate) unsafe fn borrow<'a, C: Opaque>(handle: *const C) -> &'a C::Is {
    // SAFETY: By the safety requirements.
    unsafe { &*handle.cast::<C::Is>() }
}

/// Returns the bytes of a word that a person wrote.
///
/// # Safety
///
/// `length` bytes at `word` are initialised and stay as they are during `'a`.
pub(crate) unsafe fn word<'a>(word: *const c_char, length: usize) -> &'a [u8] {
    // SAFETY: By the safety requirements.
    unsafe { core::slice::from_raw_parts(word.cast(), length) }
}

/// Returns the page of a sysfs file.
///
/// # Safety
///
/// `size` bytes at `page` are the caller's alone during `'a`, and initialised.
pub(crate) unsafe fn page<'a>(page: *mut c_char, size: usize) -> &'a mut [u8] {
    // SAFETY: By the safety requirements.
    unsafe { core::slice::from_raw_parts_mut(page.cast(), size) }
}
