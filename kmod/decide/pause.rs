// SPDX-License-Identifier: GPL-2.0

//! When a way to or from peer memory is tried again that could not be used: soon
//! after it failed once, seldom if it keeps failing. A way between two devices may
//! be one that the kernel takes for passable and that never is.

/// Milliseconds of the first pause.
pub const FIRST: u64 = 128;

/// Each pause without a success before it is twice as long as the last, up to
/// this.
pub const LONGEST: u64 = FIRST << 9;

/// A pause that has begun, and may be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Milliseconds of a clock that never goes back; 56 bits of them.
    until: u64,
    /// How often it has been made longer.
    doublings: u8,
}

impl Pause {
    /// Nothing has failed.
    pub const NONE: Self = Self {
        until: 0,
        doublings: 0,
    };

    /// In one word.
    pub fn to_bits(self) -> u64 {
        self.until << 8 | u64::from(self.doublings)
    }

    /// From one word.
    pub fn from_bits(bits: u64) -> Self {
        Self {
            until: bits >> 8,
            doublings: bits as u8,
        }
    }

    /// Whether peer memory may be tried.
    pub fn is_over(self, now: u64) -> bool {
        self.until <= now
    }

    /// What follows a failure; none if it is the failure of something that was
    /// tried before the pause began.
    pub fn failed(self, now: u64) -> Option<Self> {
        self.is_over(now).then(|| {
            let length = (FIRST << self.doublings).min(LONGEST);
            Self {
                until: now + length,
                doublings: self.doublings + u8::from(length < LONGEST),
            }
        })
    }

    /// What follows a success; none if it changes nothing.
    pub fn worked(self, now: u64) -> Option<Self> {
        (self != Self::NONE && self.is_over(now)).then_some(Self::NONE)
    }
}
