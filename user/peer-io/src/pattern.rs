// SPDX-License-Identifier: GPL-2.0
//! Data in which every sector holds its seed and its offset.
//!
//! So a stale, misplaced or damaged sector can be told from the right one, and named.

use std::fmt;

use crate::random::{Random, scramble};

/// Bytes of a sector, the unit of this file.
pub const SECTOR: usize = 512;

const WORDS: usize = SECTOR / 8;

/// The contents of one sector.
pub type Sector = [u8; SECTOR];

/// The mark that is put into a buffer before a read, at the places that [`marks`] returns.
///
/// One of them is the place of the sector's offset, and no offset has this value.
pub const MARK: u64 = u64::MAX;

/// The endless data of one seed.
#[derive(Clone, Copy, Debug)]
pub struct Pattern {
    seed: u64,
}

impl Pattern {
    /// Returns the data of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Returns the sector at `offset`, in bytes: its seed and its offset, then a stream of
    /// pseudo-random words that depends on both.
    pub fn sector(&self, offset: u64) -> Sector {
        let mut random = Random::new(scramble(scramble(self.seed) ^ offset));
        let stream = std::iter::repeat_with(|| random.word());
        let mut sector = [0; SECTOR];
        let words = [self.seed, offset].into_iter().chain(stream);
        for (place, word) in sector.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        sector
    }

    /// Fills `data` with whole sectors, of which the first lies at `offset`.
    pub fn fill(&self, offset: u64, data: &mut [u8]) {
        for (at, sector) in sectors(offset, data.len()).zip(data.chunks_exact_mut(SECTOR)) {
            sector.copy_from_slice(&self.sector(at));
        }
    }

    /// Returns the sectors of `data` that differ from what [`fill`](Self::fill) writes.
    pub fn mismatches(&self, offset: u64, data: &[u8]) -> Vec<Mismatch> {
        sectors(offset, data.len())
            .zip(data.chunks_exact(SECTOR))
            .filter_map(|(at, found)| Mismatch::of(&self.sector(at), found, at))
            .collect()
    }
}

/// Returns the offsets of the sectors in `length` bytes from `offset` on.
fn sectors(offset: u64, length: usize) -> impl Iterator<Item = u64> {
    assert!(
        offset % SECTOR as u64 == 0 && length % SECTOR == 0,
        "whole sectors only"
    );
    (offset..).step_by(SECTOR).take(length / SECTOR)
}

/// Returns where `length` bytes are marked: the offset and the last word of each sector.
pub fn marks(length: usize) -> impl Iterator<Item = usize> {
    (0..length)
        .step_by(SECTOR)
        .flat_map(|sector| [sector + 8, sector + SECTOR - 8])
}

/// A sector that differs from what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Where the sector was expected, in bytes.
    pub offset: u64,
    /// What was found there.
    pub found: Found,
}

impl Mismatch {
    /// Compares the sector `found` at `offset` with what is `expected` there.
    pub fn of(expected: &Sector, found: &[u8], offset: u64) -> Option<Self> {
        let at = expected.iter().zip(found).position(|(a, b)| a != b)?;
        let found = Found::name(found).unwrap_or(Found::Damaged {
            at,
            expected: expected[at],
            found: found[at],
        });
        Some(Self { offset, found })
    }
}

/// What was found in place of a sector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The whole sector of another offset or seed.
    Other {
        /// The seed from which it was made.
        seed: u64,
        /// The offset for which it was made.
        offset: u64,
    },
    /// The mark, because nothing was read into the buffer.
    Untouched,
    /// Zeros.
    Zeros,
    /// Anything else.
    Damaged {
        /// The first byte that differs, counted within the sector.
        at: usize,
        /// The value that this byte should have.
        expected: u8,
        /// The value that it has.
        found: u8,
    },
}

impl Found {
    fn name(sector: &[u8]) -> Option<Self> {
        let word = |index: usize| {
            let bytes = sector[index * 8..].first_chunk::<8>();
            bytes.copied().map_or(0, u64::from_le_bytes)
        };
        let (seed, offset) = (word(0), word(1));
        if sector.iter().all(|byte| *byte == 0) {
            Some(Found::Zeros)
        } else if offset == MARK || word(WORDS - 1) == MARK {
            Some(Found::Untouched)
        } else if Pattern::new(seed).sector(offset) == sector {
            Some(Found::Other { seed, offset })
        } else {
            None
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sector at {}: ", self.offset)?;
        match &self.found {
            Found::Other { seed, offset } => {
                write!(f, "found that of offset {offset}, seed {seed}")
            }
            Found::Untouched => write!(f, "nothing was read into it"),
            Found::Zeros => write!(f, "found zeros"),
            Found::Damaged {
                at,
                expected,
                found,
            } => write!(f, "byte {at} should be {expected:#04x}, found {found:#04x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LENGTH: usize = 16 * SECTOR;

    fn aligned() -> impl Strategy<Value = u64> {
        (0..1u64 << 50).prop_map(|sector| sector * SECTOR as u64)
    }

    fn filled(seed: u64, offset: u64) -> Vec<u8> {
        let mut data = vec![0; LENGTH];
        Pattern::new(seed).fill(offset, &mut data);
        data
    }

    /// Chooses two different sectors among 16.
    fn two() -> impl Strategy<Value = (usize, usize)> {
        (0..16usize, 1..16usize).prop_map(|(one, gap)| (one, (one + gap) % 16))
    }

    fn range(sector: usize) -> std::ops::Range<usize> {
        sector * SECTOR..(sector + 1) * SECTOR
    }

    proptest! {
        #[test]
        fn what_was_filled_matches(seed in any::<u64>(), offset in aligned()) {
            let data = filled(seed, offset);
            prop_assert_eq!(Pattern::new(seed).mismatches(offset, &data), vec![]);
        }

        #[test]
        fn a_sector_that_was_moved_is_named(seed in any::<u64>(), base in aligned(), (from, to) in two()) {
            let mut data = filled(seed, base);
            data.copy_within(range(from), range(to).start);
            let offset = |sector: usize| base + (sector * SECTOR) as u64;
            let found = Found::Other { seed, offset: offset(from) };
            prop_assert_eq!(
                Pattern::new(seed).mismatches(base, &data),
                vec![Mismatch { offset: offset(to), found }]
            );
        }

        #[test]
        fn sectors_that_were_swapped_are_both_named(seed in any::<u64>(), base in aligned(), (one, two) in two()) {
            let mut data = filled(seed, base);
            let kept = data[range(one)].to_vec();
            data.copy_within(range(two), range(one).start);
            data[range(two)].copy_from_slice(&kept);
            prop_assert_eq!(Pattern::new(seed).mismatches(base, &data).len(), 2);
        }

        #[test]
        fn every_sector_of_another_seed_is_named(
            seed in any::<u64>(), other in any::<u64>(), offset in aligned(),
        ) {
            prop_assume!(seed != other);
            let found = Pattern::new(seed).mismatches(offset, &filled(other, offset));
            prop_assert_eq!(found.len(), 16);
            for mismatch in found {
                let offset = mismatch.offset;
                prop_assert_eq!(mismatch.found, Found::Other { seed: other, offset });
            }
        }

        #[test]
        fn a_single_bit_is_found_where_it_is(
            seed in any::<u64>(), base in aligned(), byte in 0..LENGTH, bit in 0..8u32,
        ) {
            let mut data = filled(seed, base);
            let expected = data[byte];
            data[byte] ^= 1 << bit;
            let found = Found::Damaged { at: byte % SECTOR, expected, found: data[byte] };
            let offset = base + (byte - byte % SECTOR) as u64;
            prop_assert_eq!(
                Pattern::new(seed).mismatches(base, &data),
                vec![Mismatch { offset, found }]
            );
        }

        #[test]
        fn a_mark_left_over_is_named(seed in any::<u64>(), base in aligned(), which in 0..32usize) {
            let mut data = filled(seed, base);
            let at = marks(LENGTH).nth(which).unwrap_or_default();
            data[at..at + 8].copy_from_slice(&MARK.to_le_bytes());
            let offset = base + (at - at % SECTOR) as u64;
            prop_assert_eq!(
                Pattern::new(seed).mismatches(base, &data),
                vec![Mismatch { offset, found: Found::Untouched }]
            );
        }
    }

    #[test]
    fn zeros_are_named() {
        let found = Pattern::new(7).mismatches(0, &[0; SECTOR]);
        assert_eq!(found[0].found, Found::Zeros);
    }

    #[test]
    fn a_mismatch_reads_as_a_sentence() {
        let mismatch = Mismatch {
            offset: 4096,
            found: Found::Other {
                seed: 3,
                offset: 512,
            },
        };
        assert_eq!(
            mismatch.to_string(),
            "sector at 4096: found that of offset 512, seed 3"
        );
    }
}
