// SPDX-License-Identifier: GPL-2.0
//! Chooses the parts of an array that data are moved to and from.

use std::ops::Range;

use mdp2p_io::memory::PAGE;
use mdp2p_machine::md::array::Array;

/// Pieces begin and end at multiples of this, if they can, so that chunks do not cut blocks in two.
const UNIT: u64 = 64 << 10;

/// Returns pieces of an array of `bytes`, about `size` bytes in all.
///
/// The pieces include the beginning and the end of the array. There are enough of them in between
/// for every member to take part, even at level linear.
pub fn spread(bytes: u64, size: u64, array: &Array) -> Vec<Range<u64>> {
    let page = PAGE as u64;
    let bytes = bytes - bytes % page;
    if size >= bytes {
        return std::iter::once(0..bytes).collect();
    }
    let members = u64::from(array.raid_disks);
    let stripe = array.chunk_bytes.saturating_mul(members).max(UNIT);
    let wanted = (size / stripe).clamp(3, members.saturating_mul(2).max(3));
    let unit = if size >= wanted * UNIT { UNIT } else { page };
    let count = wanted.min(size / unit).max(1);
    let length = (size / count / unit * unit).max(page);
    let step = |number: u64| {
        let gaps = u128::from((count - 1).max(1));
        let start = u128::from(bytes - length) * u128::from(number) / gaps;
        u64::try_from(start).unwrap_or(0) / unit * unit
    };
    let mut pieces: Vec<_> = (0..count).map(|n| step(n)..step(n) + length).collect();
    if let Some(last) = pieces.last_mut().filter(|_| count > 1) {
        last.end = bytes;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::array;
    use super::*;

    #[test]
    fn all_members_take_part_in_what_is_read() {
        const MIB: u64 = 1 << 20;
        // linear: one member behind the other.
        let linear = array(8 * 100 * MIB, 0, 8);
        let pieces_of_linear = spread(linear.bytes, 16 * MIB, &linear);
        for member in 0..8 {
            let has = |range: &Range<u64>| range.start / (100 * MIB) == member;
            assert!(
                pieces_of_linear.iter().any(has),
                "{member}: {pieces_of_linear:?}"
            );
        }
        // raid0: the members in turn.
        let striped = array(8 * 100 * MIB, MIB / 2, 8);
        let all = spread(striped.bytes, 16 * MIB, &striped);
        assert_eq!(all.len(), 4);
        for member in 0..8 {
            let has = |range: &Range<u64>| {
                let mut chunks = range.clone().step_by(MIB as usize / 2);
                chunks.any(|at| at / (MIB / 2) % 8 == member)
            };
            assert!(all.iter().any(has), "{member}: {all:?}");
        }
    }

    proptest! {
        #[test]
        fn pieces_are_apart_and_reach_from_end_to_end(
            pages in 1..1u64 << 30, size in 1..1u64 << 20, chunk in 0..3u64, members in 1..40u32,
        ) {
            let (bytes, size) = (pages * 4096 + 512, size * 4096);
            let all = spread(bytes, size, &array(bytes, chunk << 19, members));
            let total: u64 = all.iter().map(|range| range.end - range.start).sum();
            prop_assert!(total <= pages * 4096);
            prop_assert!(total < size + UNIT && 2 * total >= size.min(pages * 4096));
            prop_assert_eq!(all[0].start, 0);
            for range in &all {
                prop_assert!(range.start < range.end && range.end <= pages * 4096);
                prop_assert!(range.start % 4096 == 0 && range.end % 4096 == 0);
            }
            for pair in all.windows(2) {
                prop_assert!(pair[0].end <= pair[1].start, "{:?}", all);
            }
            if all.len() > 1 {
                prop_assert_eq!(all[all.len() - 1].end, pages * 4096);
            }
        }
    }
}
