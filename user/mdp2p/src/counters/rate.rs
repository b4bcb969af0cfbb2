// SPDX-License-Identifier: GPL-2.0
//! What was counted between two samples of the arrays, and how much that is per second.
//!
//! This is pure arithmetic; `sample.rs` reads the counters.

use std::time::Duration;

use serde::Serialize;

use mdp2p_machine::md::array::{Array, P2p};
use mdp2p_machine::md::counters::Counters;

/// The counts of an array: since its start, or between two samples.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArrayCounts {
    /// The name in `/sys/block`: `md0`.
    pub name: String,
    /// The names in `/dev/md`.
    pub aliases: Vec<String>,
    /// The level: `raid1`, `linear` and so on.
    pub level: String,
    /// The state: `direct`, `staged` or `off`.
    pub state: String,
    /// The number of missing members.
    pub degraded: u32,
    /// Bytes and I/Os.
    pub counted: Counters,
    /// Bytes and I/Os per second; `None` for the first sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_second: Option<Counters>,
    /// The members, in the order of the array.
    pub members: Vec<MemberCount>,
}

/// The counts of a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemberCount {
    /// The name in `/sys/class/block`: `nvme0n1`.
    pub name: String,
    /// Bytes.
    pub counted: Dma,
    /// Bytes per second; `None` for the first sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_second: Option<Dma>,
}

/// A member's own DMA, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Dma {
    /// Bytes into peer pages.
    pub read_bytes: u64,
    /// Bytes from peer pages.
    pub write_bytes: u64,
}

impl ArrayCounts {
    /// Returns the counts since the start of the array, or `None` for an array of the kernel's md.
    pub fn of(array: Array) -> Option<Self> {
        let P2p {
            state, counters, ..
        } = array.p2p?;
        let members = array.members.into_iter().map(|member| {
            let counted = member.p2p.map(|p2p| Dma {
                read_bytes: p2p.read_bytes,
                write_bytes: p2p.write_bytes,
            });
            MemberCount {
                name: member.name,
                counted: counted.unwrap_or_default(),
                per_second: None,
            }
        });
        Some(Self {
            name: array.name,
            aliases: array.aliases,
            level: array.level,
            state,
            degraded: array.degraded,
            counted: counters,
            per_second: None,
            members: members.collect(),
        })
    }

    /// Returns the difference to `then`, which was sampled `elapsed` ago.
    fn since(&self, then: Option<&Self>, elapsed: Duration) -> Self {
        // An array that was not there before, or was restarted, began at 0 in between.
        let then = then.filter(|then| !went_back(self.counted, then.counted));
        let counted = match then {
            Some(then) => self.counted.zip(then.counted, u64::saturating_sub),
            None => self.counted,
        };
        let members = self.members.iter().map(|member| {
            let before = then.and_then(|then| then.member(&member.name));
            member.since(before, elapsed)
        });
        Self {
            counted,
            per_second: Some(counted.zip(counted, |count, _| per_second(count, elapsed))),
            members: members.collect(),
            ..self.clone()
        }
    }

    fn member(&self, name: &str) -> Option<&MemberCount> {
        self.members.iter().find(|member| member.name == name)
    }
}

impl MemberCount {
    /// Returns the difference to `then`. A member that was removed and re-added begins at 0 too.
    fn since(&self, then: Option<&Self>, elapsed: Duration) -> Self {
        let now = self.counted;
        let then = then.map(|then| then.counted).filter(|then| {
            now.read_bytes >= then.read_bytes && now.write_bytes >= then.write_bytes
        });
        let then = then.unwrap_or_default();
        let counted = Dma {
            read_bytes: now.read_bytes - then.read_bytes,
            write_bytes: now.write_bytes - then.write_bytes,
        };
        Self {
            name: self.name.clone(),
            counted,
            per_second: Some(Dma {
                read_bytes: per_second(counted.read_bytes, elapsed),
                write_bytes: per_second(counted.write_bytes, elapsed),
            }),
        }
    }
}

/// Returns what was counted between two samples that are `elapsed` apart.
///
/// The result has the arrays of the second sample.
pub fn between(
    before: &[ArrayCounts],
    after: &[ArrayCounts],
    elapsed: Duration,
) -> Vec<ArrayCounts> {
    after
        .iter()
        .map(|now| {
            let then = before.iter().find(|then| then.name == now.name);
            now.since(then, elapsed)
        })
        .collect()
}

/// Returns whether a counter went back, which means that the array was restarted.
fn went_back(now: Counters, then: Counters) -> bool {
    let mut back = false;
    now.zip(then, |now, then| {
        back |= now < then;
        0
    });
    back
}

/// Returns a count per second, rounded. An `elapsed` of zero counts as a millisecond.
fn per_second(count: u64, elapsed: Duration) -> u64 {
    // A float that is too large becomes the largest number.
    (count as f64 / elapsed.as_secs_f64().max(0.001)).round() as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Returns an array with one member.
    fn array(name: &str, read: u64, refused: u64, member: u64) -> ArrayCounts {
        ArrayCounts {
            name: name.into(),
            aliases: Vec::new(),
            level: "raid1".into(),
            state: "direct".into(),
            degraded: 0,
            counted: Counters {
                read_direct_bytes: read,
                refused_ios: refused,
                ..Counters::default()
            },
            per_second: None,
            members: vec![MemberCount {
                name: "nvme0n1".into(),
                counted: Dma {
                    read_bytes: member,
                    write_bytes: 0,
                },
                per_second: None,
            }],
        }
    }

    /// Returns bytes read, I/Os refused, and bytes read by the member.
    fn counted(count: &ArrayCounts) -> (u64, u64, u64) {
        let Counters {
            read_direct_bytes,
            refused_ios,
            ..
        } = count.counted;
        let member = count.members[0].counted.read_bytes;
        (read_direct_bytes, refused_ios, member)
    }

    #[test]
    fn counts_in_between_are_divided_by_the_time() {
        let before = [array("md0", 100, 1, 50)];
        let after = [array("md0", 300, 2, 90)];
        let between = between(&before, &after, 2 * SECOND);
        assert_eq!(counted(&between[0]), (200, 1, 40));
        let rates = between[0].per_second.expect("rates");
        assert_eq!((rates.read_direct_bytes, rates.refused_ios), (100, 1));
        let member = between[0].members[0].per_second.expect("rates");
        assert_eq!(member.read_bytes, 20);
    }

    #[test]
    fn an_array_that_was_started_anew_counts_from_its_start() {
        let before = [array("md0", 100, 7, 50)];
        // It has read more since its restart than before, but fewer I/Os were refused.
        let after = [array("md0", 300, 2, 60)];
        let between = between(&before, &after, SECOND);
        assert_eq!(counted(&between[0]), (300, 2, 60));
    }

    #[test]
    fn a_member_that_came_back_counts_from_its_return() {
        let before = [array("md0", 100, 0, 50)];
        let after = [array("md0", 150, 0, 20)];
        assert_eq!(counted(&between(&before, &after, SECOND)[0]), (50, 0, 20));
    }

    #[test]
    fn arrays_come_and_go() {
        let before = [array("md0", 100, 0, 50)];
        let after = [array("md1", 30, 0, 20)];
        let between = between(&before, &after, SECOND);
        assert_eq!(between.len(), 1);
        assert_eq!(between[0].name, "md1");
        assert_eq!(counted(&between[0]), (30, 0, 20));
    }

    proptest! {
        #[test]
        fn no_two_samples_make_a_rate_larger_than_the_counts(
            then in any::<(u64, u64, u64)>(),
            now in any::<(u64, u64, u64)>(),
            millis in 0u64..100_000_000,
        ) {
            let before = [array("md0", then.0, then.1, then.2)];
            let after = [array("md0", now.0, now.1, now.2)];
            let between = between(&before, &after, Duration::from_millis(millis));
            let (read, refused, member) = counted(&between[0]);
            prop_assert!(read <= now.0 && refused <= now.1 && member <= now.2);
            let rates = between[0].per_second.expect("rates");
            if millis >= 1000 {
                // Floats are exact only up to a point.
                prop_assert!(rates.read_direct_bytes as f64 <= read as f64);
            }
        }

        #[test]
        fn all_intervals_together_are_the_whole(
            steps in prop::collection::vec((0u64..1 << 50, 0u64..1 << 50, 0u64..1 << 50), 1..20)
        ) {
            let mut looks = vec![array("md0", 5, 6, 7)];
            for (read, refused, member) in &steps {
                let (a, b, c) = counted(looks.last().expect("the first"));
                looks.push(array("md0", a + read, b + refused, c + member));
            }
            let mut sum = (5, 6, 7);
            for pair in looks.windows(2) {
                let (a, b, c) = counted(&between(&pair[..1], &pair[1..], SECOND)[0]);
                sum = (sum.0 + a, sum.1 + b, sum.2 + c);
            }
            prop_assert_eq!(sum, counted(looks.last().expect("the last")));
        }
    }
}
