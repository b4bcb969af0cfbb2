// SPDX-License-Identifier: GPL-2.0

//! The contents of `/sys/block/mdX/md/p2pdma_*` and `dev-*/p2pdma_*`: one
//! value a file, each line with its newline.

use kernel::{fmt::Write, prelude::*, str::Formatter};

use crate::{
    array::{Array, REGISTRY},
    ffi::{md_p2p_counter, MemberId},
    reach::Distance,
};

/// A counter, as a decimal number. Returns the length.
pub(crate) fn counter(array: &Array, which: md_p2p_counter, page: &mut [u8]) -> Result<usize> {
    let mut out = Formatter::new(page);
    writeln!(out, "{}", array.stats.value(which))?;
    Ok(out.bytes_written())
}

/// `direct`, `staged` or `off`. Returns the length.
pub(crate) fn state(array: &Array, running: bool, level: i32, page: &mut [u8]) -> Result<usize> {
    let mut out = Formatter::new(page);
    writeln!(out, "{}", array.state(running, level).name())?;
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
    let _full = REGISTRY.lock().distances(array, member, |name, distance| {
        line(&mut out, name, distance)?;
        whole = out.bytes_written();
        Ok::<(), core::fmt::Error>(())
    });
    Ok(whole)
}

fn line(out: &mut Formatter<'_>, name: &[u8], distance: Distance) -> core::fmt::Result {
    // A PCI name is ASCII: domain, bus, device and function.
    out.write_str(core::str::from_utf8(name).unwrap_or("?"))?;
    match distance {
        Some(distance) => writeln!(out, " {distance}"),
        None => out.write_str(" unreachable\n"),
    }
}
