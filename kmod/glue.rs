// SPDX-License-Identifier: GPL-2.0

//! What C may call of md-p2p's decisions, and nothing else; `include/shim.h`
//! says when. The data go one way: provider and member → reach → route →
//! stats, and sysfs looks on.

#![deny(missing_docs, unsafe_op_in_unsafe_fn)]

use core::ptr::NonNull;
use kernel::{
    ffi::{c_char, c_int},
    prelude::*,
    str::CStr,
};

mod array;
mod ffi;
mod provider;
mod reach;
mod route;
mod stats;
mod sysfs;

use array::REGISTRY;
use ffi::{bindings, md_p2p_array, md_p2p_counter, md_rdev, mddev, Mddev, Member, MemberId};

/// `pr_*!` want it; a crate without `module!` brings its own.
const __LOG_PREFIX: &CStr = c"md-p2p";

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
    md_p2p_glue_refuses,
    md_p2p_glue_reaches,
    md_p2p_glue_count,
    md_p2p_glue_show_counter,
    md_p2p_glue_show_state,
    md_p2p_glue_show_distance,
    md_p2p_glue_providers_changed,
    md_p2p_glue_exit,
);

/// A new array; null without memory, and the array then takes no peer I/O.
///
/// # Safety
///
/// `mddev` lives until [`md_p2p_glue_array_free`].
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_array_new(mddev: *mut mddev) -> *mut md_p2p_array {
    let Some(mddev) = NonNull::new(mddev) else {
        return core::ptr::null_mut();
    };
    // SAFETY: The registry forgets it in `md_p2p_glue_array_free`.
    let mddev = unsafe { Mddev::new(mddev) };
    match REGISTRY.lock().add(mddev) {
        Ok(array) => ffi::into_c(array),
        Err(_) => core::ptr::null_mut(),
    }
}

/// The end of an array.
///
/// # Safety
///
/// `array` came from [`md_p2p_glue_array_new`] and is not used any more.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_array_free(array: *mut md_p2p_array) {
    // SAFETY: By the safety requirements.
    let array = unsafe { ffi::from_c(array) };
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
        // SAFETY: By the safety requirements.
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

/// Whether the queue is to say that it takes peer memory.
///
/// # Safety
///
/// `array` is alive.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_advertises(array: *const md_p2p_array, level: c_int) -> bool {
    // SAFETY: By the safety requirements.
    unsafe { ffi::borrow(array) }.advertises(level)
}

/// Whether a peer bio must end before a member sees it. Does not sleep.
///
/// # Safety
///
/// `array` is alive.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_refuses(
    array: *const md_p2p_array,
    address: u64,
    level: c_int,
) -> bool {
    // SAFETY: By the safety requirements.
    unsafe { ffi::borrow(array) }.refuses(address, level)
}

/// Whether all members reach a peer page. Does not sleep.
///
/// # Safety
///
/// `array` is alive.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_reaches(array: *const md_p2p_array, address: u64) -> bool {
    // SAFETY: By the safety requirements.
    unsafe { ffi::borrow(array) }.reach(address) == reach::Reach::All
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

/// `p2pdma_*_bytes` and `p2pdma_*_ios`.
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

/// `p2pdma_state`.
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

/// `dev-*/p2pdma_distance`.
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

/// A provider may have come or gone. Sleeps.
///
/// # Safety
///
/// The caller may sleep, and does not hold `shim_lock()`.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_providers_changed() {
    REGISTRY.lock().providers_changed();
}

/// The end of the driver: gives back what the registry holds. Sleeps.
///
/// # Safety
///
/// The caller may sleep, and no provider is looked for any more.
#[no_mangle]
pub unsafe extern "C" fn md_p2p_glue_exit() {
    REGISTRY.lock().forget();
}

fn length(written: Result<usize>) -> isize {
    match written {
        Ok(length) => length as isize,
        Err(error) => error.to_errno() as isize,
    }
}
