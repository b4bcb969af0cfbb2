// SPDX-License-Identifier: GPL-2.0

//! The way of a peer bio, and the word for it in `p2pdma_state`.
//!
//! Pure, like `reach.rs`: compiled for the host too.

use super::reach::Reach;

/// What happens to a peer bio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Members may do DMA to its pages.
    Direct,
    /// The CPU copies the data through host pages.
    Staged,
    /// It ends with `EREMOTEIO` before any member has seen it.
    Refused,
}

/// What `p2pdma_state` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Peer I/O is direct, reads and writes alike.
    Direct,
    /// Some of it is copied by the CPU.
    Staged,
    /// The array does not advertise peer memory: all of it ends with
    /// `EREMOTEIO`.
    Off,
}

impl State {
    /// The word of the sysfs file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            State::Direct => "direct",
            State::Staged => "staged",
            State::Off => "off",
        }
    }
}

/// Whether data pass the stripe cache, which copies them with the CPU. `level`
/// is md's number (`mddev->level`, negative for linear).
fn has_stripe_cache(level: i32) -> bool {
    matches!(level, 4..=6)
}

/// The way of a bio whose page is reached as `reach` says.
///
/// Direct is a permission: raid4/5/6 use it for the reads that MD clones to
/// one member and copies all else.
pub(crate) fn route(level: i32, reach: Reach) -> Route {
    match reach {
        Reach::All => Route::Direct,
        Reach::NotAll | Reach::Unknown if has_stripe_cache(level) => Route::Staged,
        Reach::NotAll | Reach::Unknown => Route::Refused,
    }
}

/// What an array's members and the machine's providers allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Means {
    /// Every member's driver can map peer pages.
    pub(crate) all_map: bool,
    /// Every member reaches one provider at least; or there is none yet.
    pub(crate) one_reached: bool,
}

/// Whether an array advertises peer memory (`BLK_FEAT_PCI_P2PDMA`).
///
/// Where the CPU can copy, a provider need not be reached.
pub(crate) fn advertises(level: i32, means: Means) -> bool {
    means.all_map && (means.one_reached || has_stripe_cache(level))
}

/// What peer I/O meets now.
pub(crate) fn state(level: i32, means: Means) -> State {
    match (advertises(level, means), has_stripe_cache(level)) {
        (false, _) => State::Off,
        (true, true) => State::Staged,
        (true, false) => State::Direct,
    }
}
