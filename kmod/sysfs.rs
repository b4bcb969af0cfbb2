// SPDX-License-Identifier: GPL-2.0

//! Writes the contents of `/sys/block/mdX/md/p2pdma_*` and `dev-*/p2pdma_*`: one
//! value a file, each line with its newline. Each function returns the length.

use kernel::{
    fmt::{self, Write},
    prelude::*,
    str::Formatter,
};

use crate::{
    array::Array,
    decide::route::Lender,
    ffi::{self, md_p2p_counter, MemberId},
    registry::REGISTRY,
};

impl fmt::Display for Lender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Lender::Auto => f.write_str("auto"),
            Lender::None => f.write_str("none"),
            Lender::Only(id) => f.write_fmt(fmt!(
                "{:04x}:{:02x}:{:02x}.{}",
                id >> 16,
                id >> 8 & 0xff,
                id >> 3 & 0x1f,
                id & 7
            )),
        }
    }
}

/// Writes a counter, as a decimal number.
pub(crate) fn counter(array: &Array, which: md_p2p_counter, page: &mut [u8]) -> Result<usize> {
    let mut out = Formatter::new(page);
    writeln!(out, "{}", array.stats.value(which))?;
    Ok(out.bytes_written())
}

/// Writes `auto`, `direct` or `off`.
pub(crate) fn policy(array: &Array, page: &mut [u8]) -> Result<usize> {
    let mut out = Formatter::new(page);
    writeln!(out, "{}", array.policy().name())?;
    Ok(out.bytes_written())
}

/// Writes whose memory rebuilds borrow: the provider in use (if `rebuilding`), and
/// in parentheses what was asked for, if that is something else.
pub(crate) fn provider(array: &Array, rebuilding: bool, page: &mut [u8]) -> Result<usize> {
    let mut out = Formatter::new(page);
    let wanted = array.wanted_lender();
    let in_use = match rebuilding {
        true => array.current_lender(),
        false => Lender::None,
    };
    match in_use == wanted {
        true => out.write_fmt(fmt!("{wanted}\n"))?,
        false => out.write_fmt(fmt!("{in_use} ({wanted})\n"))?,
    }
    Ok(out.bytes_written())
}

/// Writes `direct`, `staged` or `off`.
pub(crate) fn state(array: &Array, running: bool, level: i32, page: &mut [u8]) -> Result<usize> {
    let mut out = Formatter::new(page);
    writeln!(out, "{}", array.state(running, level).name())?;
    Ok(out.bytes_written())
}

/// Writes why the state is what it is, a line for each reason. Leaves out the
/// lines that do not fit into the page.
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

/// Writes the direct bytes of the member in `slot`.
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

/// Writes a line for each provider: its address, and who copies what is staged from
/// or to its memory, which is a DMA engine's channel and PCI address, or `cpu`.
/// Leaves out the lines that do not fit into the page.
pub(crate) fn staging(page: &mut [u8]) -> Result<usize> {
    let mut out = Formatter::new(page);
    let (mut whole, now) = (0, ffi::milliseconds());
    let _full = REGISTRY.lock().providers(|provider| {
        let dev = provider.dev();
        match provider.engine(now) {
            Some(engine) => {
                out.write_fmt(fmt!("{dev} {} {}\n", engine.channel(), engine.device()))?
            }
            None => out.write_fmt(fmt!("{dev} cpu\n"))?,
        }
        whole = out.bytes_written();
        Ok::<(), core::fmt::Error>(())
    });
    Ok(whole)
}

/// Writes a line for each provider: its address, and the distance or
/// `unreachable`. Leaves out the lines that do not fit into the page, which holds
/// more than a hundred.
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
