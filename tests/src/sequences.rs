// SPDX-License-Identifier: GPL-2.0
//! All sequences of up to three events, at every level, with all members near the provider or not.
//! Each sequence has a number.

use std::fmt;

use clap::ValueEnum;

use crate::level::Level;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$what:meta])* $value:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$what])* $value,)* }

        impl $name {
            /// Every value.
            pub const ALL: &[$name] = &[$($name::$value,)*];

            fn word(self) -> &'static str {
                match self { $($name::$value => $word,)* }
            }
        }
    };
}

words! {
    /// An event.
    Event {
        /// A write from peer memory.
        PeerWrite = "peer-write",
        /// A write from host memory.
        HostWrite = "host-write",
        /// A flush of all caches.
        Flush = "flush",
        /// A member fails: no I/O reaches it any more.
        Fail = "fail",
        /// Failed members are back, and are added again.
        ReAdd = "re-add",
        /// A device that is far from the provider is added as a spare.
        AddFar = "add-far",
        /// The provider's memory does not answer any more.
        Unplug = "unplug",
        /// The next policy: `auto`, `direct`, `off`.
        Policy = "policy",
        /// The power is cut during a write, and the array is assembled of what is left.
        Cut = "cut",
    }
}

words! {
    /// The distance of the members.
    Reach {
        /// All members are near the provider.
        Near = "near",
        /// The last member is far from the provider.
        Split = "split",
    }
}

/// The length of the longest sequences.
const LONGEST: u32 = 3;

/// A sequence of events, and the array that they happen to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the types say it")]
pub struct Sequence {
    pub number: usize,
    pub level: Level,
    pub reach: Reach,
    events: [Event; LONGEST as usize],
    length: usize,
}

/// Further choices that follow from a sequence's number, so that neighbours differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Luck {
    /// Whether the array has a write-intent bitmap.
    pub bitmap: bool,
    /// Whether writes are on the medium before they end.
    pub synced: bool,
    /// Whether the first member fails that the array can spare, and not the last one.
    pub fail_first: bool,
    /// Whether a cut is at the first member, and not at the last one.
    pub cut_first: bool,
    /// Whether a cut waits until the other members have their parts.
    pub cut_late: bool,
    /// Whether members with even numbers lose data in a cut that were not flushed.
    pub lose_even: bool,
    /// Whether members with odd numbers lose such data.
    pub lose_odd: bool,
}

impl Sequence {
    /// Returns the sequence with this number, or `None` if there is none.
    pub fn new(number: usize) -> Option<Self> {
        let (array, within) = (number / each(), number % each());
        let level = *Level::value_variants().get(array / Reach::ALL.len())?;
        let reach = Reach::ALL[array % Reach::ALL.len()];
        let (length, mut rank) = shape(within);
        let mut events = [Event::PeerWrite; LONGEST as usize];
        for event in events[..length].iter_mut().rev() {
            *event = Event::ALL[rank % Event::ALL.len()];
            rank /= Event::ALL.len();
        }
        Some(Self {
            number,
            level,
            reach,
            events,
            length,
        })
    }

    /// Returns the events in their order.
    pub fn events(&self) -> &[Event] {
        &self.events[..self.length]
    }

    /// Returns how many members the array has.
    pub fn members(&self) -> usize {
        match self.level {
            Level::Raid4 | Level::Raid5 => 3,
            Level::Raid6 => 4,
            _ => 2,
        }
    }

    /// Returns how many members may be missing.
    pub fn spare(&self) -> usize {
        match self.level {
            Level::Raid1 | Level::Raid10 => 1,
            level => level.parity(),
        }
    }

    /// Returns whether an event has nothing to happen to, like a member that is added again although
    /// none has failed. A shorter sequence says the same.
    pub fn has_idle_event(&self) -> bool {
        let redundant = self.level.is_redundant();
        let (mut failed, mut dead, mut unplugged) = (0, false, false);
        for event in self.events() {
            match event {
                Event::Fail if redundant && failed == self.spare() => return true,
                Event::Fail => (failed, dead) = (failed + 1, true),
                Event::ReAdd if !dead => return true,
                Event::ReAdd => (failed, dead) = (0, false),
                Event::AddFar if !redundant => return true,
                // The spare may take the place of a failed member.
                Event::AddFar => failed = failed.saturating_sub(1),
                Event::Unplug if unplugged => return true,
                Event::Unplug => unplugged = true,
                // If the array cannot do without a member, the member comes back with the power.
                Event::Cut => {
                    unplugged = false;
                    dead &= redundant;
                }
                Event::PeerWrite | Event::HostWrite | Event::Flush | Event::Policy => {}
            }
        }
        false
    }

    /// Returns the further choices that follow from its number.
    pub fn luck(&self) -> Luck {
        // Any odd multiplier mixes the low bits into the high ones, which are used.
        let bits = (self.number as u32).wrapping_mul(0x9e37_79b1) >> 24;
        let bit = |place: u32| bits >> place & 1 != 0;
        Luck {
            bitmap: bit(0),
            synced: bit(1),
            cut_first: bit(2),
            cut_late: bit(3),
            lose_even: bit(4),
            lose_odd: bit(5),
            fail_first: bit(6),
        }
    }
}

/// Returns the number of sequences.
pub fn count() -> usize {
    Level::value_variants().len() * Reach::ALL.len() * each()
}

/// Returns the number of sequences for one array.
fn each() -> usize {
    (1..=LONGEST)
        .map(|length| Event::ALL.len().pow(length))
        .sum()
}

/// Returns the length of a sequence, and its place among the sequences of this length. Short
/// sequences come first.
fn shape(mut within: usize) -> (usize, usize) {
    for length in 1..LONGEST {
        let count = Event::ALL.len().pow(length);
        if within < count {
            return (length as usize, within);
        }
        within -= count;
    }
    (LONGEST as usize, within)
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events: Vec<&str> = self.events().iter().map(|event| event.word()).collect();
        let bitmap = if self.luck().bitmap && self.level.is_redundant() {
            "bitmap"
        } else {
            "no-bitmap"
        };
        let synced = if self.luck().synced {
            "synced"
        } else {
            "cached"
        };
        let (level, reach) = (self.level, self.reach.word());
        write!(
            f,
            "{level} {reach} {bitmap} {synced}: {}",
            events.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn all() -> Vec<Sequence> {
        (0..).map_while(Sequence::new).collect()
    }

    #[test]
    fn every_sequence_has_one_number() {
        let all = all();
        assert_eq!(all.len(), count());
        assert_eq!(all.len(), 7 * 2 * (9 + 81 + 729));
        let different: HashSet<_> = all
            .iter()
            .map(|sequence| (sequence.level, sequence.reach, sequence.events()))
            .collect();
        assert_eq!(different.len(), all.len());
    }

    #[test]
    fn the_short_ones_are_first() {
        let name = |number| Sequence::new(number).map(|sequence| sequence.events().to_vec());
        assert_eq!(name(0), Some(vec![Event::PeerWrite]));
        assert_eq!(name(9 + 1), Some(vec![Event::PeerWrite, Event::HostWrite]));
        assert_eq!(name(9 + 81 + 728), Some(vec![Event::Cut; 3]));
        assert_eq!(name(count()), None);
    }

    #[test]
    fn what_a_shorter_sequence_says_is_told_from_the_rest() {
        use Event::{AddFar, Cut, Fail, PeerWrite, ReAdd, Unplug};
        let is_idle = |level, events: &[Event]| {
            let found = all()
                .into_iter()
                .find(|sequence| sequence.level == level && sequence.events() == events);
            found.map(|sequence| sequence.has_idle_event())
        };
        for (level, events, idle) in [
            (Level::Raid1, &[ReAdd][..], true),
            (Level::Raid1, &[Fail, ReAdd], false),
            (Level::Raid1, &[Fail, PeerWrite, Fail], true),
            (Level::Raid6, &[Fail, PeerWrite, Fail], false),
            (Level::Raid5, &[Fail, AddFar, ReAdd], false),
            (Level::Raid0, &[AddFar], true),
            (Level::Raid0, &[Unplug, Unplug], true),
            (Level::Raid0, &[Unplug, Cut, Unplug], false),
            (Level::Raid0, &[Fail, Cut, ReAdd], true),
        ] {
            assert_eq!(is_idle(level, events), Some(idle), "{level:?} {events:?}");
        }
    }

    #[test]
    fn luck_is_even_and_independent() {
        let all = all();
        let mut seen = [0; 128];
        for sequence in &all {
            let Luck {
                bitmap,
                synced,
                cut_first,
                cut_late,
                lose_even,
                lose_odd,
                fail_first,
            } = sequence.luck();
            let bits = [
                bitmap, synced, cut_first, cut_late, lose_even, lose_odd, fail_first,
            ];
            let place = bits.iter().fold(0, |sum, bit| sum * 2 + usize::from(*bit));
            seen[place] += 1;
        }
        let even = all.len() / seen.len();
        assert!(
            seen.iter()
                .all(|count| (even * 9 / 10..even * 11 / 10).contains(count)),
            "{seen:?}"
        );
    }
}
