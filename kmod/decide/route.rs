// SPDX-License-Identifier: GPL-2.0

//! Decides about the way of a peer bio, and whose memory a rebuild may borrow.
//! Knows the words for both in sysfs.
//!
//! Tests: `tests/tests/routing.rs`
//! (`the_policy_decides_between_staging_and_refusing` and others), and the
//! scenarios `staging`, `policy` and `unreachable`.

use super::reach::{Distance, Reach};

/// What happens to a peer bio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Members do DMA to its pages.
    Direct,
    /// The data pass through host pages.
    Staged,
    /// It ends with `EREMOTEIO` before any member has seen it.
    Refused,
    /// It is decided later: by [`member`] when the level has chosen a member, or by
    /// [`copied`] when no member can be chosen.
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
    /// All policies, in the order of their numbers.
    pub const ALL: [Policy; 3] = [Policy::Auto, Policy::Direct, Policy::Off];

    /// Returns the word of the sysfs file.
    pub fn name(self) -> &'static str {
        match self {
            Policy::Auto => "auto",
            Policy::Direct => "direct",
            Policy::Off => "off",
        }
    }

    /// Returns the policy of a word, with or without a newline.
    pub fn parse(word: &[u8]) -> Option<Policy> {
        let word = word.strip_suffix(b"\n").unwrap_or(word);
        Self::ALL
            .into_iter()
            .find(|policy| policy.name().as_bytes() == word)
    }

    /// Decides about a bio that cannot be direct.
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
    /// Some of it passes through host pages.
    Staged,
    /// The array does not advertise peer memory: all of it ends with
    /// `EREMOTEIO`.
    Off,
}

impl State {
    /// Returns the word of the sysfs file.
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
    /// raid4/5/6: through the stripe cache, which wants host pages; but a healthy
    /// read within one chunk goes to one member.
    Cached,
}

impl Spread {
    /// Returns the spread of md's number of a level (`mddev->level`).
    pub fn of(level: i32) -> Self {
        match level {
            1 | 10 => Spread::Mirrored,
            4..=6 => Spread::Cached,
            _ => Spread::Striped,
        }
    }
}

/// Decides about a bio into an array, before any member has been chosen.
pub fn route(spread: Spread, policy: Policy, write: bool, reach: Reach) -> Route {
    if policy == Policy::Off {
        return Route::Refused;
    }
    match (spread, write, reach) {
        (Spread::Cached, true, _) => policy.otherwise(),
        (Spread::Cached, false, _) => Route::Later,
        (Spread::Mirrored, true, Reach::All) => Route::Direct,
        // It is staged as a whole, so that all members get equal bytes.
        (Spread::Mirrored, true, _) => policy.otherwise(),
        (_, _, Reach::None) if policy == Policy::Direct => Route::Refused,
        // It may be refused only as a whole: a part of the write may be on
        // another member before the rest is refused.
        (Spread::Striped, true, Reach::Some) if policy == Policy::Direct => Route::Refused,
        _ => Route::Later,
    }
}

/// Decides about a bio whose data MD must have in host pages: what the stripe cache
/// reads or writes, and what is written behind.
pub fn copied(policy: Policy) -> Route {
    policy.otherwise()
}

/// Decides about a member's part of direct I/O that has failed, whatever its
/// distance said.
///
/// Other members may already have written their part, so refusing a write would
/// leave the mirrors different. A read that the member could map may have failed
/// by the member's fault, and only host memory tells.
pub fn again(policy: Policy, write: bool, mapped: bool) -> Route {
    match write || mapped {
        true => Route::Staged,
        false => policy.otherwise(),
    }
}

/// Decides about the way to one member that a level has chosen.
pub fn member(policy: Policy, distance: Distance) -> Route {
    match distance {
        Some(_) => Route::Direct,
        None => policy.otherwise(),
    }
}

/// What an array's members and the machine's providers allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Means {
    /// Some member reaches some provider, or there is no provider yet.
    pub some_reached: bool,
    /// Every member reaches every provider, and can map its pages.
    pub all_reached: bool,
    /// There is memory to stage what is not reached.
    pub can_stage: bool,
}

/// Tells whether an array advertises peer memory (`BLK_FEAT_PCI_P2PDMA`).
///
/// If data can be staged, a provider need not be reached.
pub fn advertises(policy: Policy, means: Means) -> bool {
    match policy {
        Policy::Auto => means.some_reached || means.can_stage,
        Policy::Direct => means.some_reached,
        Policy::Off => false,
    }
}

/// Returns what peer I/O meets now.
pub fn state(spread: Spread, policy: Policy, means: Means) -> State {
    if !advertises(policy, means) {
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
    /// The nearest provider's.
    Auto,
    /// Nobody's.
    None,
    /// One PCI device's, by the number that `shim_pci_id()` returns.
    Only(u64),
}

impl Lender {
    /// Larger than any PCI device's number.
    const AUTO: u64 = u64::MAX;
    const NONE: u64 = u64::MAX - 1;

    /// Returns it in one word.
    pub fn to_bits(self) -> u64 {
        match self {
            Lender::Auto => Self::AUTO,
            Lender::None => Self::NONE,
            Lender::Only(id) => id,
        }
    }

    /// Makes it from one word.
    pub fn from_bits(bits: u64) -> Self {
        match bits {
            Self::AUTO => Lender::Auto,
            Self::NONE => Lender::None,
            id => Lender::Only(id),
        }
    }

    /// Tells whether it may be this device.
    pub fn may_be(self, id: u64) -> bool {
        match self {
            Lender::Auto => true,
            Lender::None => false,
            Lender::Only(only) => only == id,
        }
    }

    /// Reads `auto`, `none`, or a PCI address as `lspci -D` prints it, with or
    /// without a newline.
    pub fn parse(word: &[u8]) -> Option<Self> {
        match word.strip_suffix(b"\n").unwrap_or(word) {
            b"auto" => Some(Lender::Auto),
            b"none" => Some(Lender::None),
            address => pci_id(address).map(Lender::Only),
        }
    }
}

/// Returns the number of a PCI address like `0000:03:00.0`. A domain may have eight
/// digits.
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
    // The separators stand in their places, and nothing follows.
    let [.., colon, _, _, other, _, _, dot, _] = address else {
        return None;
    };
    (parts.next().is_none() && [*colon, *other, *dot] == *b"::.").then_some(id)
}
