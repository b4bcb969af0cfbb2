// SPDX-License-Identifier: GPL-2.0

//! The only place with bindings and raw pointers: each type here owns or
//! borrows something of C's and makes it safe to use.
//!
//! C header: `include/shim.h`.

use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    ptr::{self, NonNull},
};
use kernel::{
    ffi::c_char,
    fmt,
    page::PAGE_SIZE,
    prelude::*,
    str::CStr,
    sync::{rcu, Arc},
};

use crate::{
    array::{Array, Name},
    rebuild::Loan,
};

pub(crate) use kernel::ffi::c_void;

pub(crate) use bindings::{
    md_p2p_array, md_p2p_counter, md_p2p_event, md_p2p_names, md_p2p_pages, md_p2p_route,
    md_p2p_stager, md_rdev, mddev,
};

// `allow`, not `expect`: which of these bindgen earns differs by its version.
#[allow(
    dead_code,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    clippy::all
)]
pub(crate) mod bindings {
    use kernel::ffi;
    include!("bindings.rs");
}

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

    /// Puts `new` in place, waits until nobody reads the old, frees it. Sleeps.
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
    /// Zeroed counters. Sleeps.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: No requirements.
        let counters = unsafe { bindings::shim_counters_new() };
        // INVARIANT: Just made.
        NonNull::new(counters).map(Self).ok_or(ENOMEM)
    }

    pub(crate) fn add(&self, which: md_p2p_counter, value: u64) {
        // SAFETY: Valid by the invariant.
        unsafe { bindings::shim_counters_add(self.0.as_ptr(), which, value) };
    }

    /// To zero, while nobody adds to it.
    pub(crate) fn clear(&self, which: md_p2p_counter) {
        // SAFETY: Valid by the invariant.
        unsafe { bindings::shim_counters_clear(self.0.as_ptr(), which) };
    }

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
    /// Every PCI device of the machine. Sleeps.
    pub(crate) fn all() -> PciDevs {
        PciDevs(None)
    }

    /// The address as `lspci -D` prints it.
    fn name(&self) -> &[u8] {
        // SAFETY: The device is alive by the invariant, and so is its name, a
        // C string.
        unsafe { CStr::from_char_ptr(bindings::shim_pci_name(self.0.as_ptr())) }.to_bytes()
    }

    /// Domain, bus, device and function in one number, as `shim.h` says.
    pub(crate) fn id(&self) -> u64 {
        // SAFETY: The device is alive by the invariant.
        unsafe { bindings::shim_pci_id(self.0.as_ptr()) }
    }

    /// Whether it may have peer pages.
    pub(crate) fn has_p2pdma(&self) -> bool {
        // SAFETY: The device is alive by the invariant.
        unsafe { bindings::shim_pci_has_p2pdma(self.0.as_ptr()) }
    }

    /// Whether anyone may allocate its peer pages. Sleeps.
    pub(crate) fn publishes(&self) -> bool {
        // SAFETY: The device is alive by the invariant.
        unsafe { bindings::shim_pci_publishes(self.0.as_ptr()) }
    }

    /// Whether it answers on the bus, with its memory. Does not sleep.
    pub(crate) fn answers(&self) -> bool {
        // SAFETY: The device is alive by the invariant.
        unsafe { bindings::shim_pci_answers(self.0.as_ptr()) }
    }

    /// First and last byte of the first peer pages at or behind the byte `from`
    /// of the bus in BAR `bar`.
    pub(crate) fn p2pmem(&self, bar: u32, from: u64) -> Option<(u64, u64)> {
        let (mut start, mut end) = (0, 0);
        // SAFETY: The device is alive by the invariant, both pointers are.
        unsafe { bindings::shim_pci_p2pmem(self.0.as_ptr(), bar, from, &mut start, &mut end) }
            .then_some((start, end))
    }

    /// `pci_p2pdma_distance()` from this provider to `client`. Sleeps.
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

/// Peer pages side by side, taken from the pool of their provider, and returned
/// to it when this goes. The provider's driver is not unbound before.
///
/// # Invariants
///
/// `first` and `count` are of `shim_peer_pages_alloc()`; the references to the
/// pages are this value's.
pub(crate) struct PeerPages {
    first: NonNull<c_void>,
    count: usize,
}

// SAFETY: Memory that nobody else has, accessed in whole words, and returned
// from anywhere.
unsafe impl Send for PeerPages {}
// SAFETY: As above.
unsafe impl Sync for PeerPages {}

impl PeerPages {
    /// None if the provider has no room, or has no peer pages at `window` any
    /// more, an address of the bus. Does not sleep.
    pub(crate) fn alloc(provider: &PciDev, window: u64, count: usize) -> Option<Self> {
        // SAFETY: The device is alive by the invariant.
        let first =
            unsafe { bindings::shim_peer_pages_alloc(provider.0.as_ptr(), window, count as u32) };
        // INVARIANT: Just allocated.
        NonNull::new(first).map(|first| Self { first, count })
    }

    /// Where the kernel sees them.
    pub(crate) fn address(&self) -> *mut c_void {
        self.first.as_ptr()
    }

    /// The word with this byte; the last one, if there are not so many.
    fn word(&self, byte: usize) -> *mut u64 {
        let last = self.count * PAGE_SIZE / size_of::<u64>() - 1;
        let index = (byte / size_of::<u64>()).min(last);
        self.first.as_ptr().cast::<u64>().wrapping_add(index)
    }

    /// Reads a word over the bus: slow, and ones if the provider is gone.
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

/// A member.
///
/// # Invariants
///
/// MD keeps it, with its block device open, at least until
/// `md_p2p_glue_member_removed()` has returned.
pub(crate) struct Member(NonNull<md_rdev>);

// SAFETY: What is asked of it may be asked from any thread.
unsafe impl Send for Member {}

/// As many paths as a member may have.
const MAX_CLIENTS: usize = 8;

/// See [`Member::clients`].
pub(crate) type Clients = [Option<PciDev>; MAX_CLIENTS];

/// Tells members apart after the call; never followed.
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

    pub(crate) fn id(&self) -> MemberId {
        MemberId(self.0.as_ptr() as usize)
    }

    /// The PCI devices of which any may do the member's DMA: one, or the paths
    /// of a multipath device. None if it is not known, or no PCI device. Sleeps.
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
        // INVARIANT: Each that was filled in carries a reference.
        clients.map(|client| NonNull::new(client).map(PciDev))
    }

    /// The name of its block device.
    pub(crate) fn name(&self) -> Name {
        let mut bytes = [0u8; 32];
        // SAFETY: The member is alive by the invariant, and `bytes` as large
        // as is said.
        let length = unsafe {
            bindings::shim_member_name(self.0.as_ptr(), bytes.as_mut_ptr().cast(), bytes.len())
        };
        Name::of(bytes.get(..length as usize).unwrap_or_default())
    }

    /// Whether its driver can map peer pages at all.
    pub(crate) fn maps_peer(&self) -> bool {
        // SAFETY: The member is alive by the invariant.
        unsafe { bindings::shim_member_maps_peer(self.0.as_ptr()) }
    }

    /// Tells C where the member's distance stands in a row.
    pub(crate) fn set_slot(&self, slot: usize) {
        // SAFETY: The member is alive by the invariant. A slot is small.
        unsafe { bindings::shim_member_set_slot(self.0.as_ptr(), slot as u32) };
    }

    /// Whether it is a write journal, which is handed copies only.
    pub(crate) fn is_journal(&self) -> bool {
        // SAFETY: The member is alive by the invariant.
        unsafe { bindings::shim_member_is_journal(self.0.as_ptr()) }
    }
}

impl MemberId {
    /// The identity of a member that may be gone already.
    pub(crate) fn of(rdev: *const md_rdev) -> Self {
        Self(rdev as usize)
    }
}

/// An array of MD's.
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

    /// Its name, as in `/proc/mdstat`.
    pub(crate) fn name(&self) -> &CStr {
        // SAFETY: Alive by the invariant, and so is its name, a C string.
        unsafe { CStr::from_char_ptr(bindings::shim_array_name(self.0.as_ptr())) }
    }

    /// md's number of its level.
    pub(crate) fn level(&self) -> i32 {
        // SAFETY: Alive by the invariant.
        unsafe { bindings::shim_array_level(self.0.as_ptr()) }
    }

    /// Whether it has been started, and not stopped since.
    pub(crate) fn runs(&self) -> bool {
        // SAFETY: Alive by the invariant.
        unsafe { bindings::shim_array_runs(self.0.as_ptr()) }
    }

    /// What staging needs. Sleeps.
    pub(crate) fn stager(&self) -> Result<Stager> {
        // SAFETY: Alive by the invariant.
        let stager = unsafe { bindings::shim_stager_new(self.0.as_ptr()) };
        // INVARIANT: Just made.
        NonNull::new(stager).map(Stager).ok_or(ENOMEM)
    }

    /// Sets or clears `BLK_FEAT_PCI_P2PDMA`, if the array runs; `false` if the
    /// queue limits are being changed by someone else right now.
    #[must_use]
    pub(crate) fn advertise(&self, array: &Array) -> bool {
        let advertise = array.advertises(self.level());
        // SAFETY: Alive by the invariant.
        unsafe { bindings::shim_array_advertise(self.0.as_ptr(), advertise) }
    }
}

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
    /// For C to stage with.
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

/// The policy of a new array: the module parameter `p2pdma_policy`.
pub(crate) fn default_policy() -> i32 {
    // SAFETY: No requirements.
    unsafe { bindings::shim_default_policy() }
}

/// How many percent of a provider's memory rebuilds may have: the module
/// parameter `p2pdma_rebuild_share`.
pub(crate) fn rebuild_share() -> u32 {
    // SAFETY: No requirements.
    unsafe { bindings::shim_rebuild_share() }
}

/// Milliseconds of a clock that never goes back. Does not sleep.
pub(crate) fn milliseconds() -> u64 {
    // SAFETY: No requirements.
    unsafe { bindings::shim_milliseconds() }
}

/// A random number. Does not sleep.
pub(crate) fn random() -> u64 {
    // SAFETY: No requirements.
    unsafe { bindings::shim_random() }
}

/// Has the providers looked up anew, soon. Does not sleep.
pub(crate) fn look_for_providers() {
    // SAFETY: No requirements.
    unsafe { bindings::shim_look_for_providers() };
}

/// The `Arc` behind the `mddev->p2p` of C.
pub(crate) fn into_c(array: Arc<Array>) -> *mut md_p2p_array {
    Arc::into_raw(array).cast_mut().cast()
}

/// Takes back what [`into_c`] gave away.
///
/// # Safety
///
/// `array` came from [`into_c`]; once only.
pub(crate) unsafe fn from_c(array: *mut md_p2p_array) -> Arc<Array> {
    // SAFETY: By the safety requirements.
    unsafe { Arc::from_raw(array.cast::<Array>()) }
}

/// Looks at what [`into_c`] gave away.
///
/// # Safety
///
/// `array` came from [`into_c`], and [`from_c`] is not called during `'a`.
pub(crate) unsafe fn borrow<'a>(array: *const md_p2p_array) -> &'a Array {
    // SAFETY: By the safety requirements.
    unsafe { &*array.cast::<Array>() }
}

/// The loan behind the `struct md_p2p_pages` of C; null if there is no memory
/// even for that. Does not sleep.
pub(crate) fn loan_into_c(loan: Loan) -> *mut md_p2p_pages {
    KBox::new(loan, GFP_NOWAIT | __GFP_NOWARN)
        .map_or(ptr::null_mut(), |loan| KBox::into_raw(loan).cast())
}

/// Takes back what [`loan_into_c`] gave away.
///
/// # Safety
///
/// `loan` came from [`loan_into_c`] and is not null; once only.
pub(crate) unsafe fn loan_from_c(loan: *mut md_p2p_pages) -> KBox<Loan> {
    // SAFETY: By the safety requirements.
    unsafe { KBox::from_raw(loan.cast::<Loan>()) }
}

/// Looks at what [`loan_into_c`] gave away.
///
/// # Safety
///
/// `loan` came from [`loan_into_c`] and is not null, and [`loan_from_c`] is not
/// called during `'a`.
pub(crate) unsafe fn loan<'a>(loan: *const md_p2p_pages) -> &'a Loan {
    // SAFETY: By the safety requirements.
    unsafe { &*loan.cast::<Loan>() }
}

/// The bytes of a word that a person wrote.
///
/// # Safety
///
/// `length` bytes at `word` are initialised and stay as they are during `'a`.
pub(crate) unsafe fn word<'a>(word: *const c_char, length: usize) -> &'a [u8] {
    // SAFETY: By the safety requirements.
    unsafe { core::slice::from_raw_parts(word.cast(), length) }
}

/// The page of a sysfs file.
///
/// # Safety
///
/// `size` bytes at `page` are the caller's alone during `'a`, and initialised.
pub(crate) unsafe fn page<'a>(page: *mut c_char, size: usize) -> &'a mut [u8] {
    // SAFETY: By the safety requirements.
    unsafe { core::slice::from_raw_parts_mut(page.cast(), size) }
}
