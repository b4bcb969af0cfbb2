// SPDX-License-Identifier: GPL-2.0

//! A loan: peer pages that the data of a rebuild pass through.
//!
//! No device says whether what another device wrote to its memory has arrived, or
//! has been lost since: it may have been reset, or pulled. So each loan has a mark,
//! which the CPU writes before the data come. The data must overwrite it in their
//! first word, and in the last word of each page, because pages need not come in
//! order. In a page of its own behind the data the mark must stay.

use kernel::{ffi::c_void, page::PAGE_SIZE};

use crate::{ffi, provider::Borrowed};

const WORD: usize = size_of::<u64>();

/// Peer pages, for as long as one buffer of a rebuild needs them.
pub(crate) struct Loan {
    borrowed: Borrowed,
    bytes: usize,
    mark: u64,
}

impl Loan {
    /// Returns the number of pages that a loan for `bytes` takes.
    pub(crate) fn pages(bytes: usize) -> usize {
        bytes.div_ceil(PAGE_SIZE) + 1
    }

    /// Makes a loan for `bytes` of [`Loan::pages`]. Returns `None` if the memory
    /// does not take what is written to it. Does not sleep.
    pub(crate) fn new(borrowed: Borrowed, bytes: usize) -> Option<Self> {
        let loan = Self {
            borrowed,
            bytes: bytes.max(WORD),
            // A device that is gone says ones, which are never a mark.
            mark: ffi::random() & !1,
        };
        for byte in loan.overwritten() {
            loan.borrowed.pages.write(byte, loan.mark);
        }
        loan.borrowed.pages.write(loan.guard(), loan.mark);
        loan.kept().then_some(loan)
    }

    /// Returns the places of the marks that the data must overwrite.
    fn overwritten(&self) -> impl Iterator<Item = usize> {
        let bytes = self.bytes;
        let ends = (PAGE_SIZE..bytes).step_by(PAGE_SIZE).chain([bytes]);
        core::iter::once(0).chain(ends.map(|end| end - WORD))
    }

    /// Returns the place of the mark that must stay.
    fn guard(&self) -> usize {
        self.bytes.next_multiple_of(PAGE_SIZE)
    }

    /// Returns the kernel's address of the place for the data.
    pub(crate) fn address(&self) -> *mut c_void {
        self.borrowed.pages.address()
    }

    /// Tells whether what has been read is there. Does not sleep.
    pub(crate) fn arrived(&self) -> bool {
        self.kept() && (self.overwritten()).all(|byte| self.borrowed.pages.read(byte) != self.mark)
    }

    /// Tells whether the memory still has what was put there. Does not sleep.
    pub(crate) fn kept(&self) -> bool {
        self.borrowed.pages.read(self.guard()) == self.mark
    }
}
