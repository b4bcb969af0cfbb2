// SPDX-License-Identifier: GPL-2.0

//! Short texts that are kept: names, and what the kernel log was told.

use kernel::{
    fmt::{self, Write},
    prelude::*,
};

use crate::decide::route::Lender;

/// Up to `SIZE` bytes of text; what does not fit is cut off.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Text<const SIZE: usize = 160> {
    bytes: [u8; SIZE],
    length: usize,
}

impl<const SIZE: usize> Text<SIZE> {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; SIZE],
            length: 0,
        }
    }

    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut text = Self::new();
        text.push(bytes);
        text
    }

    fn push(&mut self, bytes: &[u8]) {
        let room = self.bytes.get_mut(self.length..).unwrap_or_default();
        for (to, from) in room.iter_mut().zip(bytes) {
            *to = *from;
            self.length += 1;
        }
    }
}

impl<const SIZE: usize> Write for Text<SIZE> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

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

impl<const SIZE: usize> fmt::Display for Text<SIZE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.bytes.get(..self.length).unwrap_or_default();
        // Kernel names are ASCII, and so is what is written here.
        f.write_str(core::str::from_utf8(text).unwrap_or("?"))
    }
}
