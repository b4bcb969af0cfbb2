// SPDX-License-Identifier: GPL-2.0

//! Finds the provider that a peer page belongs to, and the members that reach it.
//!
//! Tests: `tests/tests/routing.rs`
//! (`no_member_does_dma_to_a_page_that_it_does_not_reach` and others), and the
//! scenarios `levels`, `nearest` and `rebuild-provider`.

/// Bytes that a provider shows on the bus: CPU physical addresses, both ends
/// included, as in `struct resource` (`include/linux/ioport.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First byte.
    pub start: u64,
    /// Last byte.
    pub end: u64,
}

impl Window {
    fn contains(&self, address: u64) -> bool {
        (self.start..=self.end).contains(&address)
    }
}

/// What `pci_p2pdma_distance()` said of a provider and a client; `None` is
/// unreachable.
pub type Distance = Option<u32>;

/// The number of slots. Members have slots in the order in which they joined. A
/// member beyond the last slot is never direct, and does no harm.
pub const SLOTS: usize = 64;

/// The distance of each slot, in a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distances([u8; SLOTS]);

const UNREACHABLE: u8 = u8::MAX;

impl Distances {
    /// All slots unreachable.
    pub const NONE: Self = Self([UNREACHABLE; SLOTS]);

    /// Sets the distance of a slot. A byte holds no more than 254, so what is farther
    /// counts as 254.
    pub fn set(&mut self, slot: usize, distance: Distance) {
        if let Some(byte) = self.0.get_mut(slot) {
            *byte = distance.map_or(UNREACHABLE, |distance| distance.min(254) as u8);
        }
    }

    /// Returns the distance of the member in `slot`.
    pub fn get(&self, slot: usize) -> Distance {
        match self.0.get(slot) {
            None | Some(&UNREACHABLE) => None,
            Some(&byte) => Some(byte.into()),
        }
    }

    /// Returns the smallest distance that is larger than `than`, and the bits of
    /// the slots with that distance. `None` is smaller than all distances.
    pub fn ring(&self, than: Distance) -> Option<(u32, u64)> {
        let farther = |slot: &usize| match (self.get(*slot), than) {
            (Some(distance), Some(than)) => distance > than,
            (distance, None) => distance.is_some(),
            (None, Some(_)) => false,
        };
        let nearest = (0..SLOTS)
            .filter(farther)
            .filter_map(|slot| self.get(slot))
            .min()?;
        let bits = (0..SLOTS)
            .filter(|&slot| self.get(slot) == Some(nearest))
            .fold(0, |bits, slot| bits | 1 << slot);
        Some((nearest, bits))
    }
}

/// One window of one provider, as an array sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where the provider's memory is.
    pub window: Window,
    /// Whose memory it is: the provider's place in a list.
    pub provider: usize,
    /// Whether every member reaches it.
    pub by_all: bool,
    /// How far it is from each member.
    pub distances: Distances,
}

/// Who reaches a peer page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Every member of the array.
    All,
    /// Some, not all.
    Some,
    /// No member, or the page is no known provider's.
    None,
}

impl Row {
    /// Returns the row without the ways to the members whose slots have a bit in
    /// `left_alone`.
    pub fn without(mut self, left_alone: u64) -> Self {
        for slot in (0..SLOTS).filter(|slot| left_alone >> slot & 1 == 1) {
            self.by_all &= self.distances.get(slot).is_none();
            self.distances.set(slot, None);
        }
        self
    }
}

/// Sorts rows, as [`row`] wants them. Takes no memory.
pub fn sort(rows: &mut [Row]) {
    rows.sort_unstable_by_key(|row| row.window.start);
}

/// Returns the row of the page at `address`. The rows must be sorted: see [`sort`].
///
/// Every peer I/O asks, so this is a search: six steps find one of 64 providers.
/// Windows do not overlap, because the kernel gives each BAR addresses of its own.
/// If two did, a page of both would count as the one's that starts later, or as
/// nobody's. Neither is harmful: what is nobody's is staged, and what a member's
/// driver cannot map is repeated.
pub fn row(rows: &[Row], address: u64) -> Option<&Row> {
    let later = rows.partition_point(|row| row.window.start <= address);
    let last = rows.get(later.checked_sub(1)?)?;
    last.window.contains(address).then_some(last)
}

/// Tells who reaches the pages of a row.
pub fn reach(row: Option<&Row>) -> Reach {
    match row {
        Some(row) if row.by_all => Reach::All,
        Some(row) if row.distances != Distances::NONE => Reach::Some,
        Some(_) | None => Reach::None,
    }
}

/// Chooses the provider through whose memory a rebuild is to pass. The rebuild
/// reads the member in the slot `read`, and writes those whose bits are set in
/// `written`.
///
/// All of them must reach the provider, and `lends` must hold for it. The nearest
/// to what is written is chosen, then the nearest to what is read. If not
/// `read_lends`, the member that is read is not chosen itself.
pub fn lender(
    rows: &[Row],
    read: usize,
    read_lends: bool,
    written: u64,
    lends: impl Fn(usize) -> bool,
) -> Option<usize> {
    let way = |row: &Row| {
        let to_written = (0..SLOTS)
            .filter(|slot| written >> slot & 1 == 1)
            .try_fold(0, |sum, slot| Some(sum + row.distances.get(slot)?))?;
        // Only the device itself is at distance 0.
        let to_read = row.distances.get(read).filter(|&it| read_lends || it > 0)?;
        Some((to_written, to_read, row.provider))
    };
    rows.iter()
        .filter(|row| lends(row.provider))
        .filter_map(way)
        .min()
        .map(|(.., provider)| provider)
}

/// Returns how far a member is that does its DMA through any of several clients:
/// as far as the farthest. It is unreachable if one is, or if none is known.
pub fn farthest(mut clients: impl Iterator<Item = Distance>) -> Distance {
    let first = clients.next()??;
    clients.try_fold(first, |farthest, distance| {
        distance.map(|distance| farthest.max(distance))
    })
}

/// Tells whether all members reach a provider, from the distance of each.
///
/// An array without members reaches nothing, because nobody has been asked.
pub fn by_all(mut distances: impl Iterator<Item = Distance>) -> bool {
    match distances.next() {
        Some(first) => first.is_some() && distances.all(|distance| distance.is_some()),
        None => false,
    }
}
