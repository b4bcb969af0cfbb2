// SPDX-License-Identifier: GPL-2.0

//! Which provider a peer page belongs to, and which members reach it.

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

/// Members have slots in the order in which they joined. A member beyond the
/// last slot is never direct, and makes nothing wrong.
pub const SLOTS: usize = 64;

/// The distance of each slot, in a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distances([u8; SLOTS]);

const UNREACHABLE: u8 = u8::MAX;

impl Distances {
    /// All slots unreachable.
    pub const NONE: Self = Self([UNREACHABLE; SLOTS]);

    /// Sets one. What is farther than a byte can say is as far as it can say.
    pub fn set(&mut self, slot: usize, distance: Distance) {
        if let Some(byte) = self.0.get_mut(slot) {
            *byte = distance.map_or(UNREACHABLE, |distance| distance.min(254) as u8);
        }
    }

    /// The distance of the member in `slot`.
    pub fn get(&self, slot: usize) -> Distance {
        match self.0.get(slot) {
            None | Some(&UNREACHABLE) => None,
            Some(&byte) => Some(byte.into()),
        }
    }

    /// The smallest distance that is larger than `than` (of all, without it),
    /// and the bits of the slots that are so far.
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
    /// Whose it is: where he stands in a list of providers.
    pub provider: usize,
    /// Whether every member reaches it.
    pub by_all: bool,
    /// How far it is from each.
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
    /// As it is while the ways to members are left alone whose slots have a bit
    /// in `left_alone`.
    pub fn without(mut self, left_alone: u64) -> Self {
        for slot in (0..SLOTS).filter(|slot| left_alone >> slot & 1 == 1) {
            self.by_all &= self.distances.get(slot).is_none();
            self.distances.set(slot, None);
        }
        self
    }
}

/// The row of the page at `address`.
pub fn row(rows: &[Row], address: u64) -> Option<&Row> {
    rows.iter().find(|row| row.window.contains(address))
}

/// Who reaches the pages of a row.
pub fn reach(row: Option<&Row>) -> Reach {
    match row {
        Some(row) if row.by_all => Reach::All,
        Some(row) if row.distances.ring(None).is_some() => Reach::Some,
        Some(_) | None => Reach::None,
    }
}

/// The provider whose memory a rebuild is to pass through that reads the member
/// in one slot and writes those in others, one bit each: of those that all of
/// them reach, and for which `lends` holds, the nearest to what is written, then
/// to what is read. If not `read_lends`, the member that is read is not asked
/// itself.
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
        // Nothing but the device itself is at no distance.
        let to_read = row.distances.get(read).filter(|&it| read_lends || it > 0)?;
        Some((to_written, to_read, row.provider))
    };
    rows.iter()
        .filter(|row| lends(row.provider))
        .filter_map(way)
        .min()
        .map(|(.., provider)| provider)
}

/// How far a member is that does its DMA through any of several clients: as
/// far as the farthest, and unreachable if one is, or if none is known.
pub fn farthest(mut clients: impl Iterator<Item = Distance>) -> Distance {
    let first = clients.next()??;
    clients.try_fold(first, |farthest, distance| {
        distance.map(|distance| farthest.max(distance))
    })
}

/// Whether all members reach a provider, from the distance of each.
///
/// An array without members reaches nothing: nobody has been asked.
pub fn by_all(mut distances: impl Iterator<Item = Distance>) -> bool {
    match distances.next() {
        Some(first) => first.is_some() && distances.all(|distance| distance.is_some()),
        None => false,
    }
}
