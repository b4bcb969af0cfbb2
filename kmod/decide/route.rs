// SPDX-License-Identifier: GPL-2.0

//! The way of a peer bio, whose memory a rebuild borrows, and the words for both
//! in sysfs.

use super::reach::{Distance, Reach};

/// What happens to a peer bio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Members do DMA to its pages.
    Direct,
    /// The CPU copies the data through host pages.
    Staged,
    /// The CPU copies the data through the pages of the stripe cache.
    Cached,
    /// It ends with `EREMOTEIO` before any member has seen it.
    Refused,
    /// The level chooses a member, and [`member`] tells; or what the stripe
    /// cache must copy turns up, and [`cached`] tells.
    Later,
}

/// `p2pdma_policy`: what is to happen to what cannot be direct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Stage it.
    Auto,
    /// Refuse it.
    Direct,
    /// Advertise nothing, and refuse all.
    Off,
}

impl Policy {
    /// All, in the order of their numbers.
    pub const ALL: [Policy; 3] = [Policy::Auto, Policy::Direct, Policy::Off];

    /// The word of the sysfs file.
    pub fn name(self) -> &'static str {
        match self {
            Policy::Auto => "auto",
            Policy::Direct => "direct",
            Policy::Off => "off",
        }
    }

    /// The policy of a word, with or without a newline.
    pub fn parse(word: &[u8]) -> Option<Policy> {
        let word = word.strip_suffix(b"\n").unwrap_or(word);
        Self::ALL
            .into_iter()
            .find(|policy| policy.name().as_bytes() == word)
    }

    /// What becomes of a bio that cannot be direct.
    fn otherwise(self) -> Route {
        match self {
            Policy::Auto => Route::Staged,
            Policy::Direct | Policy::Off => Route::Refused,
        }
    }
}

/// What `p2pdma_state` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
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
    pub fn name(self) -> &'static str {
        match self {
            State::Direct => "direct",
            State::Staged => "staged",
            State::Off => "off",
        }
    }
}

/// How a level spreads what it is given over its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// linear, raid0: each part to one member.
    Striped,
    /// raid1, raid10: a write to many, a read from one of many.
    Mirrored,
    /// raid4/5/6: through the stripe cache, which copies with the CPU; but a
    /// healthy read within one chunk goes to one member.
    Cached,
}

impl Spread {
    /// Of md's number of a level (`mddev->level`).
    pub fn of(level: i32) -> Self {
        match level {
            1 | 10 => Spread::Mirrored,
            4..=6 => Spread::Cached,
            _ => Spread::Striped,
        }
    }
}

/// The way of a bio into an array, before any member has been chosen.
pub fn route(spread: Spread, policy: Policy, write: bool, reach: Reach) -> Route {
    if policy == Policy::Off {
        return Route::Refused;
    }
    match (spread, write, reach) {
        (Spread::Cached, true, _) => cached(policy),
        (Spread::Cached, false, _) => Route::Later,
        (Spread::Mirrored, true, Reach::All) => Route::Direct,
        // Staged as a whole, so that all members get the same.
        (Spread::Mirrored, true, _) => policy.otherwise(),
        (_, _, Reach::None) if policy == Policy::Direct => Route::Refused,
        // Not if it may be refused: a part of what was one write for whoever
        // wrote it may be on another member by then.
        (Spread::Striped, true, Reach::Some) if policy == Policy::Direct => Route::Refused,
        _ => Route::Later,
    }
}

/// The way of a bio that the stripe cache is to copy.
pub fn cached(policy: Policy) -> Route {
    match policy {
        Policy::Auto => Route::Cached,
        Policy::Direct | Policy::Off => Route::Refused,
    }
}

/// The way of a member's part of direct I/O that has failed, whatever its
/// distance said. Of a write other members may have their part, so that refusing
/// would leave them different. A read that the member could map may have failed by
/// the member's fault, and only host memory tells.
pub fn again(policy: Policy, write: bool, mapped: bool) -> Route {
    match write || mapped {
        true => Route::Staged,
        false => policy.otherwise(),
    }
}

/// The way to one member that a level has chosen.
pub fn member(policy: Policy, distance: Distance) -> Route {
    match distance {
        Some(_) => Route::Direct,
        None => policy.otherwise(),
    }
}

/// What an array's members and the machine's providers allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Means {
    /// Some member reaches some provider; or there is none yet.
    pub some_reached: bool,
    /// Every member reaches every provider, and can map its pages.
    pub all_reached: bool,
    /// There is memory to stage what is not reached.
    pub can_stage: bool,
}

/// Whether an array advertises peer memory (`BLK_FEAT_PCI_P2PDMA`).
///
/// Where the CPU can copy, a provider need not be reached.
pub fn advertises(spread: Spread, policy: Policy, means: Means) -> bool {
    match policy {
        Policy::Auto => means.some_reached || means.can_stage || spread == Spread::Cached,
        Policy::Direct => means.some_reached,
        Policy::Off => false,
    }
}

/// What peer I/O meets now.
pub fn state(spread: Spread, policy: Policy, means: Means) -> State {
    if !advertises(spread, policy, means) {
        return State::Off;
    }
    match (spread, policy) {
        (_, Policy::Direct) => State::Direct,
        (Spread::Cached, _) => State::Staged,
        _ if means.all_reached => State::Direct,
        _ => State::Staged,
    }
}

/// `p2pdma_provider`: whose memory rebuilds borrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lender {
    /// The nearest.
    Auto,
    /// Nobody's.
    None,
    /// That of one PCI device, as `shim_pci_id()` numbers it.
    Only(u64),
}

impl Lender {
    /// Larger than any PCI device's number.
    const AUTO: u64 = u64::MAX;
    const NONE: u64 = u64::MAX - 1;

    /// In one word.
    pub fn to_bits(self) -> u64 {
        match self {
            Lender::Auto => Self::AUTO,
            Lender::None => Self::NONE,
            Lender::Only(id) => id,
        }
    }

    /// From one word.
    pub fn from_bits(bits: u64) -> Self {
        match bits {
            Self::AUTO => Lender::Auto,
            Self::NONE => Lender::None,
            id => Lender::Only(id),
        }
    }

    /// Whether it may be this device.
    pub fn may_be(self, id: u64) -> bool {
        match self {
            Lender::Auto => true,
            Lender::None => false,
            Lender::Only(only) => only == id,
        }
    }

    /// `auto`, `none`, or a PCI address as `lspci -D` prints it, with or without
    /// a newline.
    pub fn parse(word: &[u8]) -> Option<Self> {
        match word.strip_suffix(b"\n").unwrap_or(word) {
            b"auto" => Some(Lender::Auto),
            b"none" => Some(Lender::None),
            address => pci_id(address).map(Lender::Only),
        }
    }
}

/// The number of `0000:03:00.0`. A domain may have eight digits.
fn pci_id(address: &[u8]) -> Option<u64> {
    let mut parts = address.split(|byte| matches!(byte, b':' | b'.'));
    let mut part = |digits: core::ops::RangeInclusive<usize>, last: u64| {
        let part = parts.next().filter(|part| digits.contains(&part.len()))?;
        let number = part.iter().try_fold(0, |number, &digit| {
            Some(number << 4 | u64::from(char::from(digit).to_digit(16)?))
        })?;
        (number <= last).then_some(number)
    };
    let id = part(4..=8, u32::MAX.into())? << 16
        | part(2..=2, 0xff)? << 8
        | part(2..=2, 0x1f)? << 3
        | part(1..=1, 7)?;
    // The separators stand where they should, and nothing follows.
    let [.., colon, _, _, other, _, _, dot, _] = address else {
        return None;
    };
    (parts.next().is_none() && [*colon, *other, *dot] == *b"::.").then_some(id)
}
