// SPDX-License-Identifier: GPL-2.0

//! The contents of `/sys/block/mdX/md/p2pdma_*` and `dev-*/p2pdma_*`: one
//! value a file, each line with its newline.

use kernel::{fmt::Write, prelude::*, str::Formatter};

use crate::{
    array::{Array, REGISTRY},
    decide::route::Lender,
    ffi::{md_p2p_counter, MemberId},
};

/// A counter, as a decimal number. Returns the length.
pub(crate) fn counter(array: &Array, which: md_p2p_counter, page: &mut [u8]) -> Result<usize> {
    let mut out = Formatter::new(page);
    writeln!(out, "{}", array.stats.value(which))?;
    Ok(out.bytes_written())
}

/// `auto`, `direct` or `off`. Returns the length.
pub(crate) fn policy(array: &Array, page: &mut [u8]) -> Result<usize> {
    let mut out = Formatter::new(page);
    writeln!(out, "{}", array.policy().name())?;
    Ok(out.bytes_written())
}

/// Whose memory rebuilds borrow: the one in use (if `rebuilding`), and in
/// parentheses what was asked for, if it is something else. Returns the length.
pub(crate) fn provider(array: &Array, rebuilding: bool, page: &mut [u8]) -> Result<usize> {
    let mut out = Formatter::new(page);
    let wanted = array.lender();
    let in_use = match rebuilding {
        true => array.lends(),
        false => Lender::None,
    };
    match in_use == wanted {
        true => out.write_fmt(fmt!("{wanted}\n"))?,
        false => out.write_fmt(fmt!("{in_use} ({wanted})\n"))?,
    }
    Ok(out.bytes_written())
}

/// `direct`, `staged` or `off`. Returns the length.
pub(crate) fn state(array: &Array, running: bool, level: i32, page: &mut [u8]) -> Result<usize> {
    let mut out = Formatter::new(page);
    writeln!(out, "{}", array.state(running, level).name())?;
    Ok(out.bytes_written())
}

/// Why the state is what it is, a line for each reason. Returns the length.
///
/// What does not fit into a page is left out, whole lines at a time.
pub(crate) fn reason(array: &Array, page: &mut [u8]) -> Result<usize> {
    let mut out = Formatter::new(page);
    let mut whole = 0;
    let _full = REGISTRY.lock().reasons(array, |reason| {
        out.write_fmt(fmt!("{reason}\n"))?;
        whole = out.bytes_written();
        Ok::<(), core::fmt::Error>(())
    });
    Ok(whole)
}

/// The direct bytes of the member in `slot`. Returns the length.
pub(crate) fn member_bytes(
    array: &Array,
    slot: usize,
    write: bool,
    page: &mut [u8],
) -> Result<usize> {
    let mut out = Formatter::new(page);
    writeln!(out, "{}", array.stats.member_bytes(slot, write))?;
    Ok(out.bytes_written())
}

/// A line for each provider: its address, and the distance or `unreachable`.
/// Returns the length.
///
/// A page holds more than a hundred lines; what does not fit is left out,
/// whole lines at a time.
pub(crate) fn distance(array: &Array, member: MemberId, page: &mut [u8]) -> Result<usize> {
    let mut out = Formatter::new(page);
    let mut whole = 0;
    let _full = REGISTRY
        .lock()
        .distances(array, member, |provider, distance| {
            match distance {
                Some(distance) => out.write_fmt(fmt!("{provider} {distance}\n"))?,
                None => out.write_fmt(fmt!("{provider} unreachable\n"))?,
            }
            whole = out.bytes_written();
            Ok::<(), core::fmt::Error>(())
        });
    Ok(whole)
}
