// SPDX-License-Identifier: GPL-2.0

//! Decides when a way to or from peer memory is tried again that has failed: soon
//! if it failed once, seldom if it keeps failing. The kernel may take a way for
//! passable that never is.
//!
//! Tests: `tests/tests/routing.rs`
//! (`peer_memory_that_fails_is_tried_seldom_and_after_a_success_at_once`), and the
//! scenarios `unmapped` and `rebuild-lost`.

/// The milliseconds of the first pause.
pub const FIRST: u64 = 128;

/// The milliseconds of the longest pause. A pause is twice as long as the one
/// before it, if there was no success between them.
pub const LONGEST: u64 = FIRST << 9;

/// A pause that has begun, and may be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// When it is over: the milliseconds of a clock that never goes back, in 56
    /// bits.
    until: u64,
    /// How often the pause has been doubled.
    doublings: u8,
}

impl Pause {
    /// Nothing has failed.
    pub const NONE: Self = Self {
        until: 0,
        doublings: 0,
    };

    /// Returns it in one word.
    pub fn to_bits(self) -> u64 {
        self.until << 8 | u64::from(self.doublings)
    }

    /// Makes it from one word.
    pub fn from_bits(bits: u64) -> Self {
        Self {
            until: bits >> 8,
            doublings: bits as u8,
        }
    }

    /// Tells whether peer memory may be tried.
    pub fn is_over(self, now: u64) -> bool {
        self.until <= now
    }

    /// Returns what follows a failure. Returns `None` if the I/O that failed was
    /// tried before this pause began.
    pub fn failed(self, now: u64) -> Option<Self> {
        self.is_over(now).then(|| {
            let length = (FIRST << self.doublings).min(LONGEST);
            Self {
                until: now + length,
                doublings: self.doublings + u8::from(length < LONGEST),
            }
        })
    }

    /// Returns what follows a success; `None` if that changes nothing.
    pub fn worked(self, now: u64) -> Option<Self> {
        (self != Self::NONE && self.is_over(now)).then_some(Self::NONE)
    }
}
