// SPDX-License-Identifier: GPL-2.0

//! The lock, RCU, the clock and random numbers.

use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    ptr::{self, NonNull},
};
use kernel::{ffi::c_void, prelude::*, sync::rcu};

use super::bindings;

/// Data under the one lock of `shim_lock()`.
pub(crate) struct Global<T>(UnsafeCell<T>);

// SAFETY: The data are reached through `lock()` only, by one holder at a time.
unsafe impl<T: Send> Sync for Global<T> {}

impl<T> Global<T> {
    /// # Safety
    ///
    /// There is one lock: a module may have one `Global` only.
    pub(crate) const unsafe fn new(data: T) -> Self {
        Self(UnsafeCell::new(data))
    }

    /// Takes the lock. Sleeps. Until the guard goes, memory is allocated as
    /// with `GFP_NOIO`.
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        // SAFETY: Every call of the glue is from a context that may sleep.
        let noio = unsafe { bindings::shim_lock() };
        Guard {
            data: &self.0,
            noio,
        }
    }
}

/// The lock of a [`Global`], held.
pub(crate) struct Guard<'a, T> {
    data: &'a UnsafeCell<T>,
    noio: u32,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: The lock is held, and `&self` keeps `deref_mut` away.
        unsafe { &*self.data.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: The lock is held, and `&mut self` is the only way to it.
        unsafe { &mut *self.data.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: `noio` came from the `shim_lock()` that this guard stands
        // for, on this task: the guard holds a `&UnsafeCell`, so is not `Send`.
        unsafe { bindings::shim_unlock(self.noio) };
    }
}

/// A boxed value that readers see under RCU and a writer exchanges.
///
/// # Invariants
///
/// `slot` is null or came from `KBox::into_raw`, and is owned by this value.
pub(crate) struct RcuBox<T> {
    slot: UnsafeCell<*mut c_void>,
    owns: PhantomData<KBox<T>>,
}

// SAFETY: Readers get `&T`, whoever exchanges gets the old `KBox<T>`.
unsafe impl<T: Send + Sync> Send for RcuBox<T> {}
// SAFETY: As above.
unsafe impl<T: Send + Sync> Sync for RcuBox<T> {}

impl<T> RcuBox<T> {
    /// Returns a slot without a value.
    pub(crate) const fn empty() -> Self {
        // INVARIANT: Null.
        Self {
            slot: UnsafeCell::new(ptr::null_mut()),
            owns: PhantomData,
        }
    }

    /// Calls `f` with the value of this moment. Does not sleep; nor may `f`.
    pub(crate) fn read<R>(&self, f: impl FnOnce(Option<&T>) -> R) -> R {
        let _reading = rcu::read_lock();
        // SAFETY: `slot` is valid, and the RCU read lock is held.
        let value = unsafe { bindings::shim_rcu_dereference(self.slot.get()) };
        // SAFETY: By the invariant null or a `T`, which `replace` frees only
        // after all readers of now have left.
        f(unsafe { value.cast::<T>().as_ref() })
    }

    /// Puts `new` in place, waits until nobody reads the old value, and frees
    /// that. Sleeps.
    pub(crate) fn replace(&self, new: Option<KBox<T>>) {
        let new = new.map_or(ptr::null_mut(), KBox::into_raw);
        // SAFETY: `slot` is valid; the exchange is atomic.
        let old = unsafe { bindings::shim_rcu_exchange(self.slot.get(), new.cast()) };
        if let Some(old) = NonNull::new(old) {
            // SAFETY: No requirements but a context that may sleep.
            unsafe { bindings::shim_rcu_synchronize() };
            // SAFETY: By the invariant from `KBox::into_raw`; it is out of the
            // slot, and its last reader has left.
            drop(unsafe { KBox::from_raw(old.cast::<T>().as_ptr()) });
        }
    }
}

impl<T> Drop for RcuBox<T> {
    fn drop(&mut self) {
        self.replace(None);
    }
}
/// Returns the milliseconds of a clock that never goes back. Does not sleep.
pub(crate) fn milliseconds() -> u64 {
    // SAFETY: No requirements.
    unsafe { bindings::shim_milliseconds() }
}

/// Returns a random number. Does not sleep.
pub(crate) fn random() -> u64 {
    // SAFETY: No requirements.
    unsafe { bindings::shim_random() }
}
