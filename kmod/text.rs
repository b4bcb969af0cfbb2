// SPDX-License-Identifier: GPL-2.0

//! Short texts that are kept: names, and what the kernel log was told last.

use kernel::fmt::{self, Write};

/// The name of a block device, as `%pg` prints it.
pub(crate) type Name = Text<32>;

/// Up to `SIZE` bytes of text; what does not fit is cut off.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Text<const SIZE: usize = 160> {
    bytes: [u8; SIZE],
    length: usize,
}

impl<const SIZE: usize> Text<SIZE> {
    /// Returns an empty text.
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; SIZE],
            length: 0,
        }
    }

    /// Returns a text of these bytes.
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

impl<const SIZE: usize> fmt::Display for Text<SIZE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.bytes.get(..self.length).unwrap_or_default();
        // Kernel names are ASCII, and so is what is written here.
        f.write_str(core::str::from_utf8(text).unwrap_or("?"))
    }
}
