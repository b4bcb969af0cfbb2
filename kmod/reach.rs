// SPDX-License-Identifier: GPL-2.0

//! Which provider a peer page belongs to, and whether the members reach it.
//!
//! Pure: this file is compiled for the host too, where `tests/` tries it on
//! topologies made at random.

/// Bytes that a provider shows on the bus: CPU physical addresses, both ends
/// included, as in `struct resource` (`include/linux/ioport.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// First byte.
    pub(crate) start: u64,
    /// Last byte.
    pub(crate) end: u64,
}

impl Window {
    fn contains(&self, address: u64) -> bool {
        (self.start..=self.end).contains(&address)
    }
}

/// What `pci_p2pdma_distance()` said of a provider and a client; `None` is
/// unreachable.
pub(crate) type Distance = Option<u32>;

/// One window of one provider, as an array sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Where the provider's memory is.
    pub(crate) window: Window,
    /// Whether every member reaches it.
    pub(crate) by_all: bool,
}

/// Who reaches a peer page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Every member of the array.
    All,
    /// Some member does not, or is not known to.
    NotAll,
    /// The page is no known provider's.
    Unknown,
}

/// Who reaches the page at `address`.
pub(crate) fn reach(rows: &[Row], address: u64) -> Reach {
    match rows.iter().find(|row| row.window.contains(address)) {
        Some(row) if row.by_all => Reach::All,
        Some(_) => Reach::NotAll,
        None => Reach::Unknown,
    }
}

/// Whether all members reach a provider, from the distance of each.
///
/// An array without members reaches nothing: nobody has been asked.
pub(crate) fn by_all(mut distances: impl Iterator<Item = Distance>) -> bool {
    match distances.next() {
        Some(first) => first.is_some() && distances.all(|distance| distance.is_some()),
        None => false,
    }
}
