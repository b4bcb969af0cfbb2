// SPDX-License-Identifier: GPL-2.0

//! What C may call in Rust, and nothing else; `include/shim.h` says when. The
//! data go one way: provider and member → reach → route → stats, and sysfs looks
//! on.

#![deny(missing_docs, unsafe_op_in_unsafe_fn)]

use core::ptr::NonNull;
use kernel::{
    ffi::{c_char, c_int, c_uint, c_void},
    prelude::*,
};

mod array;
// It is a crate as well, in which others reach what is public.
#[allow(unreachable_pub)]
mod decide;
mod entry;
mod ffi;
mod loan;
mod provider;
mod reason;
mod registry;
mod stats;
mod sysfs;
mod table;
mod text;

use array::Array;
use decide::{
    names::{Event, Names},
    route::{Lender, Policy, Route},
};
use ffi::{
    bindings, md_p2p_array, md_p2p_counter, md_p2p_engine, md_p2p_event, md_p2p_names,
    md_p2p_pages, md_p2p_route, md_p2p_stager, md_rdev, mddev, Mddev, Member, MemberId, Opaque,
};
use loan::Loan;
use registry::REGISTRY;

/// The macros `pr_*!` want it. A crate without `module!` brings its own.
const __LOG_PREFIX: &[u8] = b"md-p2p\0";

impl Opaque for md_p2p_array {
    type Is = Array;
}

impl Opaque for md_p2p_pages {
    type Is = Loan;
}

/// Stops the build if a function is not what `include/shim.h` says.
macro_rules! as_declared {
    ($($function:ident),* $(,)?) => {
        $(const _: () = {
            let _ = if true { bindings::$function } else { $function };
        };)*
    };
}

as_declared!(
    md_p2p_glue_array_new,
    md_p2p_glue_array_free,
    md_p2p_glue_member_added,
    md_p2p_glue_member_removed,
    md_p2p_glue_array_started,
    md_p2p_glue_advertises,
    md_p2p_glue_route,
    md_p2p_glue_route_member,
    md_p2p_glue_route_copied,
    md_p2p_glue_route_again,
    md_p2p_glue_ring,
    md_p2p_glue_stager,
    md_p2p_glue_engine,
    md_p2p_glue_engine_tried,
    md_p2p_glue_count_engine,
    md_p2p_glue_count_refused,
    md_p2p_glue_count,
    md_p2p_glue_count_member,
    md_p2p_glue_provider,
    md_p2p_glue_answers,
    md_p2p_glue_way_worked,
    md_p2p_glue_way_failed,
    md_p2p_glue_show_counter,
    md_p2p_glue_show_state,
    md_p2p_glue_show_reason,
    md_p2p_glue_show_policy,
    md_p2p_glue_store_policy,
    md_p2p_glue_parse_policy,
    md_p2p_glue_show_distance,
    md_p2p_glue_show_member_bytes,
    md_p2p_glue_show_staging,
    md_p2p_glue_rebuild_starts,
    md_p2p_glue_loan,
    md_p2p_glue_loan_pages,
    md_p2p_glue_loan_arrived,
    md_p2p_glue_loan_kept,
    md_p2p_glue_loan_end,
    md_p2p_glue_loan_failed,
    md_p2p_glue_loan_worked,
    md_p2p_glue_count_rebuild,
    md_p2p_glue_show_provider,
    md_p2p_glue_store_provider,
    md_p2p_glue_providers_changed,
    md_p2p_glue_exit,
    md_p2p_glue_names,
);

/// Makes an array with the policy of this number. Returns null if there is no
/// memory; then the array takes no peer I/O.
///
/// # Safety
///
/// `mddev` lives until [`md_p2p_glue_array_free`].
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_array_new(
    mddev: *mut mddev,
    policy: c_int,
) -> *mut md_p2p_array {
    let Some(mddev) = NonNull::new(mddev) else {
        return core::ptr::null_mut();
    };
    // SAFETY: The registry forgets it in `md_p2p_glue_array_free`.
    let mddev = unsafe { Mddev::new(mddev) };
    match REGISTRY.lock().add(mddev, policy) {
        Ok(array) => ffi::shared_into_c(array),
        Err(_) => core::ptr::null_mut(),
    }
}

/// An array ends.
///
/// # Safety
///
/// `array` came from [`md_p2p_glue_array_new`] and is not used any more.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_array_free(array: *mut md_p2p_array) {
    // SAFETY: By the safety requirements.
    let array = unsafe { ffi::shared_from_c(array) };
    REGISTRY.lock().remove(&array);
}

/// A member joins.
///
/// # Safety
///
/// `array` is alive, `rdev` is its member and its block device open.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_member_added(array: *mut md_p2p_array, rdev: *mut md_rdev) {
    // SAFETY: By the safety requirements.
    let array = unsafe { ffi::borrow(array) };
    if let Some(rdev) = NonNull::new(rdev) {
        // SAFETY: By the safety requirements; the registry drops it in
        // `md_p2p_glue_member_removed`, or before.
        let member = unsafe { Member::new(rdev) };
        REGISTRY.lock().member_added(array, member);
    }
}

/// A member has left.
///
/// # Safety
///
/// `array` is alive.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_member_removed(array: *mut md_p2p_array, rdev: *mut md_rdev) {
    // SAFETY: By the safety requirements.
    let array = unsafe { ffi::borrow(array) };
    REGISTRY.lock().member_removed(array, MemberId::of(rdev));
}

/// An array runs from now on. Sleeps.
///
/// # Safety
///
/// `array` is alive.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_array_started(array: *mut md_p2p_array) {
    // SAFETY: By the safety requirements.
    let array = unsafe { ffi::borrow(array) };
    REGISTRY.lock().started(array);
}

/// Tells whether the queue is to say that it takes peer memory.
///
/// # Safety
///
/// `array` is alive.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_advertises(array: *const md_p2p_array) -> bool {
    // SAFETY: By the safety requirements.
    unsafe { ffi::borrow(array) }.advertises()
}

/// Decides about a peer bio before a member has been chosen. Does not sleep.
///
/// # Safety
///
/// `array` is alive.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_route(
    array: *const md_p2p_array,
    address: u64,
    level: c_int,
    write: bool,
) -> md_p2p_route {
    // SAFETY: By the safety requirements.
    let array = unsafe { ffi::borrow(array) };
    route_to_c(array.route(address, level, write))
}

/// Decides about a peer bio to the member in `slot`. Does not sleep.
///
/// # Safety
///
/// `array` is alive.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_route_member(
    array: *const md_p2p_array,
    address: u64,
    slot: c_uint,
) -> md_p2p_route {
    // SAFETY: By the safety requirements.
    let array = unsafe { ffi::borrow(array) };
    route_to_c(array.route_member(address, slot as usize))
}

/// Decides about a peer bio whose data MD must have in host pages. Does not sleep.
///
/// # Safety
///
/// `array` is alive.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_route_copied(array: *const md_p2p_array) -> md_p2p_route {
    // SAFETY: By the safety requirements.
    route_to_c(unsafe { ffi::borrow(array) }.route_copied())
}

/// Decides about direct I/O that a member has failed. Does not sleep.
///
/// # Safety
///
/// `array` is alive.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_route_again(
    array: *const md_p2p_array,
    write: bool,
    mapped: bool,
) -> md_p2p_route {
    // SAFETY: By the safety requirements.
    route_to_c(unsafe { ffi::borrow(array) }.route_again(write, mapped))
}

/// Returns the number of a page's provider, as `shim_pci_id()` does. If no provider
/// is known for it, returns that of `ffff:ff:1f.7`. Does not sleep.
///
/// # Safety
///
/// `array` is alive.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_provider(array: *const md_p2p_array, address: u64) -> u64 {
    // SAFETY: By the safety requirements.
    unsafe { ffi::borrow(array) }
        .provider(address, |provider| provider.dev().id())
        .unwrap_or(u32::MAX.into())
}

/// Tells whether the owner of a peer page still answers, with its memory: 1 or 0.
/// Returns a number below zero if the owner is not known, for example because
/// there is no memory for a table. Does not sleep.
///
/// # Safety
///
/// `array` is alive.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_answers(array: *const md_p2p_array, address: u64) -> c_int {
    // SAFETY: By the safety requirements.
    unsafe { ffi::borrow(array) }
        .provider(address, |provider| provider.dev().answers())
        .map_or(-1, c_int::from)
}

/// Direct I/O with the member in a slot has worked. Does not sleep.
///
/// # Safety
///
/// `array` is alive.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_way_worked(
    array: *const md_p2p_array,
    address: u64,
    slot: c_uint,
) {
    // SAFETY: By the safety requirements.
    unsafe { ffi::borrow(array) }.way_worked(address, slot as usize);
}

/// Direct I/O with the member in a slot has failed, and its repetition through
/// host memory has worked. Does not sleep.
///
/// # Safety
///
/// `array` is alive.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_way_failed(
    array: *const md_p2p_array,
    address: u64,
    slot: c_uint,
) {
    // SAFETY: By the safety requirements.
    unsafe { ffi::borrow(array) }.way_failed(address, slot as usize);
}

/// Returns the slots of the members that are nearest to a peer page among those
/// farther than `distance`, one bit each. Returns 0 if there are no more. Leaves
/// their distance in `distance`; below zero, no member is left out. Does not sleep.
///
/// # Safety
///
/// `array` is alive, `distance` points to a number.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_ring(
    array: *const md_p2p_array,
    address: u64,
    distance: *mut c_int,
) -> u64 {
    // SAFETY: By the safety requirements.
    let (array, distance) = unsafe { (ffi::borrow(array), &mut *distance) };
    match array.ring(address, u32::try_from(*distance).ok()) {
        Some((farther, slots)) => {
            *distance = farther as c_int;
            slots
        }
        None => 0,
    }
}

/// Returns what staging needs; null if the array has nothing to stage.
///
/// # Safety
///
/// `array` is alive.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_stager(array: *const md_p2p_array) -> *mut md_p2p_stager {
    // SAFETY: By the safety requirements.
    let array = unsafe { ffi::borrow(array) };
    array
        .stager()
        .map_or(core::ptr::null_mut(), |stager| stager.as_ptr())
}

/// Returns the DMA engine that is to copy from or to a peer page, with a reference;
/// null if the CPU is to copy. Does not sleep.
///
/// # Safety
///
/// `array` is alive.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_engine(
    array: *const md_p2p_array,
    address: u64,
) -> *mut md_p2p_engine {
    // SAFETY: By the safety requirements.
    let engine = unsafe { ffi::borrow(array) }.engine(address);
    engine.map_or(core::ptr::null_mut(), ffi::Engine::into_c)
}

/// An engine has been tried, and has copied; or it has failed. Does not sleep.
///
/// # Safety
///
/// `array` is alive.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_engine_tried(
    array: *const md_p2p_array,
    address: u64,
    copied: bool,
) {
    // SAFETY: By the safety requirements.
    unsafe { ffi::borrow(array) }.provider(address, |provider| {
        provider.engine_tried(copied, ffi::milliseconds());
    });
}

/// Counts staged bytes that a DMA engine has copied. Does not sleep.
///
/// # Safety
///
/// `array` is alive.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_count_engine(array: *const md_p2p_array, bytes: u64) {
    // SAFETY: By the safety requirements.
    unsafe { ffi::borrow(array) }.stats.count_engine(bytes);
}

/// Counts a peer I/O that has been refused. Does not sleep.
///
/// # Safety
///
/// `array` is alive.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_count_refused(array: *const md_p2p_array) {
    // SAFETY: By the safety requirements.
    unsafe { ffi::borrow(array) }.stats.count_refused();
}

/// Counts a peer I/O that has succeeded. Does not sleep.
///
/// # Safety
///
/// `array` is alive.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_count(
    array: *const md_p2p_array,
    write: bool,
    direct: bool,
    bytes: u64,
) {
    // SAFETY: By the safety requirements.
    let array = unsafe { ffi::borrow(array) };
    array.stats.count(write, direct, bytes);
}

/// Counts bytes of a member's DMA to or from peer pages. Does not sleep.
///
/// # Safety
///
/// `array` is alive.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_count_member(
    array: *const md_p2p_array,
    slot: c_uint,
    write: bool,
    bytes: u64,
) {
    // SAFETY: By the safety requirements.
    let array = unsafe { ffi::borrow(array) };
    array.stats.count_member(slot as usize, write, bytes);
}

/// Shows `p2pdma_*_bytes` and `p2pdma_*_ios`.
///
/// # Safety
///
/// `array` is alive, and `page` the `size` bytes of a sysfs read.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_show_counter(
    array: *const md_p2p_array,
    which: md_p2p_counter,
    page: *mut c_char,
    size: usize,
) -> isize {
    // SAFETY: By the safety requirements.
    let (array, page) = unsafe { (ffi::borrow(array), ffi::page(page, size)) };
    length(sysfs::counter(array, which, page))
}

/// Shows `p2pdma_state`.
///
/// # Safety
///
/// As [`md_p2p_glue_show_counter`].
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_show_state(
    array: *const md_p2p_array,
    running: bool,
    level: c_int,
    page: *mut c_char,
    size: usize,
) -> isize {
    // SAFETY: By the safety requirements.
    let (array, page) = unsafe { (ffi::borrow(array), ffi::page(page, size)) };
    length(sysfs::state(array, running, level, page))
}

/// Shows `p2pdma_reason`. Sleeps.
///
/// # Safety
///
/// As [`md_p2p_glue_show_counter`].
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_show_reason(
    array: *const md_p2p_array,
    page: *mut c_char,
    size: usize,
) -> isize {
    // SAFETY: By the safety requirements.
    let (array, page) = unsafe { (ffi::borrow(array), ffi::page(page, size)) };
    length(sysfs::reason(array, page))
}

/// Shows `dev-*/p2pdma_read_bytes` and `dev-*/p2pdma_write_bytes`.
///
/// # Safety
///
/// As [`md_p2p_glue_show_counter`].
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_show_member_bytes(
    array: *const md_p2p_array,
    slot: c_uint,
    write: bool,
    page: *mut c_char,
    size: usize,
) -> isize {
    // SAFETY: By the safety requirements.
    let (array, page) = unsafe { (ffi::borrow(array), ffi::page(page, size)) };
    length(sysfs::member_bytes(array, slot as usize, write, page))
}

/// Shows `p2pdma_policy`.
///
/// # Safety
///
/// As [`md_p2p_glue_show_counter`].
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_show_policy(
    array: *const md_p2p_array,
    page: *mut c_char,
    size: usize,
) -> isize {
    // SAFETY: By the safety requirements.
    let (array, page) = unsafe { (ffi::borrow(array), ffi::page(page, size)) };
    length(sysfs::policy(array, page))
}

/// Sets `p2pdma_policy`. Returns `false` if it is no such word. Sleeps.
///
/// # Safety
///
/// `array` is alive, `word` has `length` bytes.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_store_policy(
    array: *mut md_p2p_array,
    word: *const c_char,
    length: usize,
) -> bool {
    // SAFETY: By the safety requirements.
    let (array, word) = unsafe { (ffi::borrow(array), ffi::word(word, length)) };
    match Policy::parse(word) {
        Some(policy) => {
            REGISTRY.lock().set_policy(array, policy);
            true
        }
        None => false,
    }
}

/// Returns the number of a policy's word, below zero if it is no such word.
///
/// # Safety
///
/// `word` has `length` bytes.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_parse_policy(word: *const c_char, length: usize) -> c_int {
    // SAFETY: By the safety requirements.
    let word = unsafe { ffi::word(word, length) };
    Policy::parse(word).map_or(-1, |policy| policy as c_int)
}

/// Shows `dev-*/p2pdma_distance`.
///
/// # Safety
///
/// As [`md_p2p_glue_show_counter`]; `rdev` is only compared.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_show_distance(
    array: *const md_p2p_array,
    rdev: *const md_rdev,
    page: *mut c_char,
    size: usize,
) -> isize {
    // SAFETY: By the safety requirements.
    let (array, page) = unsafe { (ffi::borrow(array), ffi::page(page, size)) };
    length(sysfs::distance(array, MemberId::of(rdev), page))
}

/// Shows `p2pdma_staging`. Sleeps.
///
/// # Safety
///
/// As [`md_p2p_glue_show_counter`].
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_show_staging(
    array: *const md_p2p_array,
    page: *mut c_char,
    size: usize,
) -> isize {
    // SAFETY: By the safety requirements.
    let (_array, page) = unsafe { (ffi::borrow(array), ffi::page(page, size)) };
    length(sysfs::staging(page))
}

/// A rebuild of an array starts.
///
/// # Safety
///
/// `array` is alive.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_rebuild_starts(array: *const md_p2p_array) {
    // SAFETY: By the safety requirements.
    unsafe { ffi::borrow(array) }.rebuild_starts();
}

/// Lends peer pages for a part of a rebuild. Returns null if the part is to pass
/// through host pages. Does not sleep.
///
/// # Safety
///
/// `array` is alive.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_loan(
    array: *const md_p2p_array,
    read: c_uint,
    resync: bool,
    written: u64,
    bytes: usize,
) -> *mut md_p2p_pages {
    // SAFETY: By the safety requirements.
    let array = unsafe { ffi::borrow(array) };
    array
        .loan(read as usize, resync, written, bytes)
        .map_or(core::ptr::null_mut(), ffi::boxed_into_c)
}

/// Returns the kernel's address of the place for the data of a loan.
///
/// # Safety
///
/// `pages` came from [`md_p2p_glue_loan`], and has not ended.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_loan_pages(pages: *const md_p2p_pages) -> *mut c_void {
    // SAFETY: By the safety requirements.
    unsafe { ffi::borrow(pages) }.address()
}

/// Tells whether what has been read is there. Does not sleep.
///
/// # Safety
///
/// As [`md_p2p_glue_loan_pages`].
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_loan_arrived(pages: *const md_p2p_pages) -> bool {
    // SAFETY: By the safety requirements.
    unsafe { ffi::borrow(pages) }.arrived()
}

/// Tells whether the memory has kept it. Does not sleep.
///
/// # Safety
///
/// As [`md_p2p_glue_loan_pages`].
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_loan_kept(pages: *const md_p2p_pages) -> bool {
    // SAFETY: By the safety requirements.
    unsafe { ffi::borrow(pages) }.kept()
}

/// Gives the pages back. Does not sleep.
///
/// # Safety
///
/// As [`md_p2p_glue_loan_pages`]; no I/O goes to the pages any more.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_loan_end(pages: *mut md_p2p_pages) {
    // SAFETY: By the safety requirements.
    drop(unsafe { ffi::boxed_from_c(pages) });
}

/// Something could not be done through a loan. Does not sleep.
///
/// # Safety
///
/// `array` is alive.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_loan_failed(array: *const md_p2p_array) {
    // SAFETY: By the safety requirements.
    unsafe { ffi::borrow(array) }.loan_failed();
}

/// All was done through a loan. Does not sleep.
///
/// # Safety
///
/// `array` is alive.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_loan_worked(array: *const md_p2p_array) {
    // SAFETY: By the safety requirements.
    unsafe { ffi::borrow(array) }.loan_worked();
}

/// Counts what a rebuild has written. Does not sleep.
///
/// # Safety
///
/// `array` is alive.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_count_rebuild(
    array: *const md_p2p_array,
    peer: bool,
    bytes: u64,
) {
    // SAFETY: By the safety requirements.
    unsafe { ffi::borrow(array) }
        .stats
        .count_rebuild(peer, bytes);
}

/// Shows `p2pdma_provider`.
///
/// # Safety
///
/// As [`md_p2p_glue_show_counter`].
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_show_provider(
    array: *const md_p2p_array,
    rebuilding: bool,
    page: *mut c_char,
    size: usize,
) -> isize {
    // SAFETY: By the safety requirements.
    let (array, page) = unsafe { (ffi::borrow(array), ffi::page(page, size)) };
    length(sysfs::provider(array, rebuilding, page))
}

/// Sets `p2pdma_provider`. Returns 0, or below zero why that cannot be. Sleeps.
///
/// # Safety
///
/// `array` is alive, `word` has `length` bytes.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_store_provider(
    array: *const md_p2p_array,
    word: *const c_char,
    length: usize,
) -> c_int {
    // SAFETY: By the safety requirements.
    let (array, word) = unsafe { (ffi::borrow(array), ffi::word(word, length)) };
    let stored = Lender::parse(word)
        .ok_or(EINVAL)
        .and_then(|lender| REGISTRY.lock().set_lender(array, lender));
    match stored {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}

/// A provider may have come or gone. Sleeps.
///
/// # Safety
///
/// The caller may sleep, and does not hold `shim_lock()`.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_providers_changed() {
    REGISTRY.lock().providers_changed();
}

/// The driver ends: gives back what the registry holds. Sleeps.
///
/// # Safety
///
/// The caller may sleep, and no array is made any more.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_exit() {
    REGISTRY.lock().forget();
}

fn route_to_c(route: Route) -> md_p2p_route {
    match route {
        Route::Direct => bindings::md_p2p_route_MD_P2P_DIRECT,
        Route::Staged => bindings::md_p2p_route_MD_P2P_STAGED,
        Route::Refused => bindings::md_p2p_route_MD_P2P_REFUSED,
        Route::Later => bindings::md_p2p_route_MD_P2P_LATER,
    }
}

fn length(written: Result<usize>) -> isize {
    match written {
        Ok(length) => length as isize,
        Err(error) => error.to_errno() as isize,
    }
}

/// Returns who has the names after an event. C keeps the answer, and calls once at
/// a time.
///
/// # Safety
///
/// There is nothing to be kept.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_names(
    names: md_p2p_names,
    event: md_p2p_event,
) -> md_p2p_names {
    let names = match names {
        bindings::md_p2p_names_MD_P2P_OURS => Names::Ours,
        bindings::md_p2p_names_MD_P2P_THEIRS => Names::Theirs,
        bindings::md_p2p_names_MD_P2P_TAKING => Names::Taking,
        bindings::md_p2p_names_MD_P2P_WAITING => Names::Waiting,
        _ => Names::Left,
    };
    let event = match event {
        bindings::md_p2p_event_MD_P2P_COMING => Event::Coming,
        bindings::md_p2p_event_MD_P2P_GOING => Event::Going,
        bindings::md_p2p_event_MD_P2P_MOMENT => Event::Moment,
        bindings::md_p2p_event_MD_P2P_TAKEN => Event::Taken,
        bindings::md_p2p_event_MD_P2P_IN_THE_WAY => Event::InTheWay,
        bindings::md_p2p_event_MD_P2P_IN_USE => Event::InUse,
        _ => Event::Leaving,
    };
    match names.after(event) {
        Names::Ours => bindings::md_p2p_names_MD_P2P_OURS,
        Names::Theirs => bindings::md_p2p_names_MD_P2P_THEIRS,
        Names::Taking => bindings::md_p2p_names_MD_P2P_TAKING,
        Names::Waiting => bindings::md_p2p_names_MD_P2P_WAITING,
        Names::Left => bindings::md_p2p_names_MD_P2P_LEFT,
    }
}
