// SPDX-License-Identifier: GPL-2.0

//! A loan: peer pages that the data of a rebuild pass through.
//!
//! No device says whether what another wrote to its memory has arrived, or has
//! been lost since: it may have been reset, or pulled. So each loan has a mark,
//! which the CPU writes before the data come. In the first word of where the data
//! go, and in the last one of each page, since pages need not come in order, the
//! mark must have been overwritten; and in a page of its own behind them it must
//! stay.

use crate::{ffi, provider::Borrowed};
use kernel::page::PAGE_SIZE;

const WORD: usize = size_of::<u64>();

/// Peer pages, for as long as one buffer of a rebuild needs them.
pub(crate) struct Loan {
    borrowed: Borrowed,
    bytes: usize,
    mark: u64,
}

impl Loan {
    /// The pages that a loan for `bytes` takes.
    pub(crate) fn pages(bytes: usize) -> usize {
        bytes.div_ceil(PAGE_SIZE) + 1
    }

    /// A loan of [`Loan::pages`], for `bytes`: none if the memory does not take
    /// what is written to it. Does not sleep.
    pub(crate) fn new(borrowed: Borrowed, bytes: usize) -> Option<Self> {
        let loan = Self {
            borrowed,
            bytes: bytes.max(WORD),
            // Never what a device says that is gone.
            mark: ffi::random() & !1,
        };
        for byte in loan.overwritten() {
            loan.borrowed.pages.write(byte, loan.mark);
        }
        loan.borrowed.pages.write(loan.guard(), loan.mark);
        loan.kept().then_some(loan)
    }

    /// The words with the mark that the data go over.
    fn overwritten(&self) -> impl Iterator<Item = usize> {
        let bytes = self.bytes;
        let ends = (PAGE_SIZE..bytes).step_by(PAGE_SIZE).chain([bytes]);
        core::iter::once(0).chain(ends.map(|end| end - WORD))
    }

    /// The first word behind the pages of the data.
    fn guard(&self) -> usize {
        self.bytes.next_multiple_of(PAGE_SIZE)
    }

    /// Where the data go: an address of the kernel's.
    pub(crate) fn address(&self) -> *mut ffi::c_void {
        self.borrowed.pages.address()
    }

    /// Whether what has been read is there. Does not sleep.
    pub(crate) fn arrived(&self) -> bool {
        self.kept() && (self.overwritten()).all(|byte| self.borrowed.pages.read(byte) != self.mark)
    }

    /// Whether the memory still has what was put there. Does not sleep.
    pub(crate) fn kept(&self) -> bool {
        self.borrowed.pages.read(self.guard()) == self.mark
    }
}
