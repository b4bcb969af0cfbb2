// SPDX-License-Identifier: GPL-2.0
//! Computes what the members of an array hold, for each sector of data, P and Q. This follows md(4)
//! and the papers that it names, and so is independent of md's code. Layouts are mdadm's defaults
//! (raid5 and raid6 left-symmetric, raid10 near).

use std::ops::Range;
use std::path::PathBuf;

use crate::level::Level;
use anyhow::Result;
use mdp2p_io::memory::{Buffer, Memory};
use mdp2p_io::pattern::{Mismatch, SECTOR, Sector};
use mdp2p_io::target::Target;
use mdp2p_io::transfer::{Extent, Outcome};

/// How an array spreads its data.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// The level.
    pub level: Level,
    /// The number of members, missing ones included.
    pub members: u64,
    /// The bytes of a chunk. With linear it is the size of a member, and with raid1 it may be
    /// anything.
    pub chunk: u64,
    /// The number of copies, for raid10 only.
    pub copies: u64,
}

/// The content of a member's sector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The array's data at this offset.
    Data(u64),
    /// The XOR of the array's data at these offsets.
    P(Vec<u64>),
    /// The Reed-Solomon syndrome of the array's data at these offsets.
    Q(Vec<u64>),
}

impl Layout {
    /// Returns what `member` holds at `at`, in bytes from the beginning of its data.
    pub fn content(&self, member: u64, at: u64) -> Content {
        let (row, within) = (at / self.chunk, at % self.chunk);
        let data = |chunk: u64| Content::Data(chunk * self.chunk + within);
        match self.level {
            Level::Linear => Content::Data(member * self.chunk + at),
            Level::Raid1 => Content::Data(at),
            Level::Raid10 => data((row * self.members + member) / self.copies),
            Level::Raid0 | Level::Raid4 | Level::Raid5 | Level::Raid6 => {
                let width = self.width();
                // The place of the member, from the first data chunk of the row on.
                let place = (member + self.members - self.first(row)) % self.members;
                let all = || {
                    (0..width)
                        .map(|index| (row * width + index) * self.chunk + within)
                        .collect()
                };
                match place {
                    place if place < width => data(row * width + place),
                    // P comes after the last data chunk, and Q after P.
                    place if place == width => Content::P(all()),
                    _ => Content::Q(all()),
                }
            }
        }
    }

    /// Returns the number of data chunks in a row.
    fn width(&self) -> u64 {
        self.members - self.level.parity() as u64
    }

    /// Returns the member with the first data chunk of a row.
    fn first(&self, row: u64) -> u64 {
        // P moves one member to the left with each row.
        let p = self.members - 1 - row % self.members;
        match self.level {
            Level::Raid5 => (p + 1) % self.members,
            Level::Raid6 => (p + 2) % self.members,
            _ => 0,
        }
    }

    /// Returns the part of a member's data in which something of `range` can be.
    fn span(&self, member: u64, range: &Range<u64>) -> Range<u64> {
        let chunks = range.start / self.chunk..range.end.div_ceil(self.chunk);
        let rows =
            |each: u64| chunks.start / each * self.chunk..chunks.end.div_ceil(each) * self.chunk;
        match self.level {
            Level::Linear => {
                let base = member * self.chunk;
                let within = |at: u64| at.clamp(base, base + self.chunk) - base;
                within(range.start)..within(range.end)
            }
            Level::Raid1 => range.clone(),
            Level::Raid10 => {
                let first = chunks.start * self.copies / self.members;
                let last = (chunks.end * self.copies).div_ceil(self.members);
                first * self.chunk..last * self.chunk
            }
            _ => rows(self.width()),
        }
    }

    /// Returns what `member` should hold at `at` if the array holds `data` in `range`. `None` if
    /// this does not follow from `data`.
    fn expected(
        &self,
        data: impl Fn(u64) -> Sector,
        range: &Range<u64>,
        member: u64,
        at: u64,
    ) -> Option<Sector> {
        let content = self.content(member, at);
        let offsets = match &content {
            Content::Data(offset) => std::slice::from_ref(offset),
            Content::P(offsets) | Content::Q(offsets) => offsets,
        };
        if !offsets.iter().all(|offset| range.contains(offset)) {
            return None;
        }
        let power = if matches!(content, Content::Q(_)) {
            2
        } else {
            1
        };
        Some(syndrome(offsets.iter().map(|offset| data(*offset)), power))
    }
}

/// Returns the sum of `power`^i times the i-th sector, in GF(2^8) modulo x^8+x^4+x^3+x^2+1. This is
/// P for power 1, and Q for power 2: see Anvin, "The mathematics of RAID-6".
fn syndrome(data: impl DoubleEndedIterator<Item = Sector>, power: u8) -> Sector {
    data.rev().fold([0; SECTOR], |mut sum, sector| {
        for (sum, byte) in sum.iter_mut().zip(sector) {
            if power == 2 {
                let carry = if *sum & 0x80 == 0 { 0 } else { 0x1d };
                *sum = (*sum << 1) ^ carry;
            }
            *sum ^= byte;
        }
        sum
    })
}

/// A member as given, with the offset of its data. `None` stands for a missing member.
pub type Member = Option<(PathBuf, u64)>;

/// Parses `member@OFFSET` or `missing`.
pub fn parse_member(text: &str) -> Result<Member, String> {
    if text == "missing" {
        return Ok(None);
    }
    let (path, offset) = text
        .rsplit_once('@')
        .ok_or("a member is PATH@OFFSET, where its data begin, or `missing`")?;
    Ok(Some((path.into(), mdp2p_io::size::parse(offset)?)))
}

/// The bytes that are read at a time.
const BLOCK: usize = 128 * 1024;

/// Compares what `members` hold with what they should hold, if the array holds the sectors of
/// `data` in `range`. Reads through host memory.
pub fn check(
    layout: &Layout,
    members: &[Member],
    data: impl Fn(u64) -> Sector,
    range: &Range<u64>,
) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut buffer = Buffer::new(Memory::Host, BLOCK, "".as_ref())?;
    for (index, member) in (0..).zip(members) {
        let Some((path, base)) = member else { continue };
        let target = Target::source(path)?;
        let extent = Extent {
            range: layout.span(index, range),
            block: BLOCK,
        };
        for (at, length) in extent.blocks() {
            if let Err(failure) = target.read(&mut buffer, base + at, length) {
                outcome.fail(None, failure);
                continue;
            }
            outcome.count(length);
            let differing = (at..)
                .step_by(SECTOR)
                .zip(buffer.to_vec(length).chunks_exact(SECTOR))
                .filter_map(|(at, found)| {
                    let expected = layout.expected(&data, range, index, at)?;
                    Mismatch::of(&expected, found, base + at)
                })
                .collect();
            outcome.differ(Some(path.display().to_string()), differing);
        }
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;
    use proptest::prelude::*;

    fn layout(level: Level, members: u64) -> Layout {
        Layout {
            level,
            members,
            chunk: 1024,
            copies: 2,
        }
    }

    /// Draws the rows of an array as papers do, with one letter for each chunk.
    fn drawn(level: Level, members: u64, rows: u64) -> Vec<String> {
        let layout = layout(level, members);
        let letter = |content| match content {
            Content::Data(offset) => char::from(b'a' + (offset / layout.chunk) as u8),
            Content::P(_) => 'P',
            Content::Q(_) => 'Q',
        };
        (0..rows)
            .map(|row| {
                (0..members)
                    .map(|member| letter(layout.content(member, row * layout.chunk)))
                    .collect()
            })
            .collect()
    }

    #[test]
    fn the_layouts_are_those_of_the_manual() {
        assert_eq!(drawn(Level::Raid0, 3, 2), ["abc", "def"]);
        assert_eq!(drawn(Level::Raid1, 2, 2), ["aa", "bb"]);
        assert_eq!(drawn(Level::Raid10, 4, 2), ["aabb", "ccdd"]);
        assert_eq!(drawn(Level::Raid10, 3, 2), ["aab", "bcc"]);
        assert_eq!(drawn(Level::Raid4, 4, 2), ["abcP", "defP"]);
        assert_eq!(drawn(Level::Raid5, 4, 4), ["abcP", "efPd", "iPgh", "Pjkl"]);
        assert_eq!(drawn(Level::Raid6, 4, 4), ["QabP", "cdPQ", "fPQe", "PQgh"]);
        assert_eq!(drawn(Level::Linear, 3, 1), ["abc"]);
    }

    #[test]
    fn p_is_the_xor_and_q_the_syndrome_of_the_paper() {
        let sector = |byte| [byte; SECTOR];
        let data = || [sector(0x01), sector(0x80), sector(0x40)].into_iter();
        assert_eq!(syndrome(data(), 1), sector(0x01 ^ 0x80 ^ 0x40));
        // 1 + 2 * 0x80 + 4 * 0x40, where 2 * 0x80 = 0x1d.
        assert_eq!(syndrome(data(), 2), sector(0x01 ^ 0x1d ^ 0x1d));
    }

    fn level() -> impl Strategy<Value = Level> {
        prop::sample::select(Level::value_variants())
    }

    proptest! {
        #[test]
        fn every_byte_is_kept_as_often_as_the_level_says(
            level in level(), members in 4..8u64, first in 0..40u64, length in 1..40u64,
        ) {
            let layout = layout(level, members);
            let sector = SECTOR as u64;
            // A linear array ends with its last member.
            let room = if level == Level::Linear { members * layout.chunk } else { u64::MAX };
            let range = (first * sector).min(room)..((first + length) * sector).min(room);
            let kept: Vec<u64> = (0..members)
                .flat_map(|member| {
                    layout
                        .span(member, &range)
                        .step_by(SECTOR)
                        .map(move |at| layout.content(member, at))
                })
                .filter_map(|content| match content {
                    Content::Data(offset) => Some(offset),
                    _ => None,
                })
                .collect();
            let copies = match level {
                Level::Raid1 => members,
                Level::Raid10 => 2,
                _ => 1,
            };
            for offset in range.step_by(SECTOR) {
                let found = kept.iter().filter(|kept| **kept == offset).count() as u64;
                prop_assert_eq!(found, copies, "offset {}", offset);
            }
        }
    }

    #[test]
    fn parity_of_data_that_are_known_in_part_is_not_judged() {
        let layout = layout(Level::Raid5, 4);
        let data = |_| [1; SECTOR];
        let whole = 0..3 * layout.chunk;
        assert!(layout.expected(data, &whole, 3, 0).is_some());
        let part = 0..3 * layout.chunk - SECTOR as u64;
        assert!(layout.expected(data, &part, 3, 0).is_some());
        assert!(layout.expected(data, &part, 3, 512).is_none());
    }

    #[test]
    fn members_are_read_with_the_place_of_their_data() {
        assert_eq!(parse_member("missing"), Ok(None));
        let member = parse_member("/dev/a@b@1M").expect("the last @ counts");
        assert_eq!(member, Some(("/dev/a@b".into(), 1 << 20)));
        assert!(parse_member("/dev/a").is_err());
        assert!(parse_member("/dev/a@here").is_err());
    }
}
