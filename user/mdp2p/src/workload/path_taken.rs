// SPDX-License-Identifier: GPL-2.0
//! Tells which path data took, from the counters of an array before and after.

use std::fmt;

use serde::Serialize;

use crate::control::moving;
use crate::ui::{BAD, GOOD, WARNING, styled};
use mdp2p_io::target::Operation;
use mdp2p_machine::md::array::Array;
use mdp2p_machine::md::counters::Counters;
use mdp2p_machine::pci::bdf::Bdf;

/// What was moved through peer memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Bytes of the I/Os that completed.
    pub bytes: u64,
    /// I/Os that ended with `EREMOTEIO`.
    pub refused: u64,
}

/// How far the counters of the array grew. Peer I/O of other programs is included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// Bytes that members moved by DMA.
    pub direct_bytes: u64,
    /// Bytes that passed through host pages.
    pub staged_bytes: u64,
    /// Of those, the bytes that a DMA engine copied; the CPU copied the rest.
    pub engine_bytes: u64,
    /// I/Os that ended with `EREMOTEIO`.
    pub refused_ios: u64,
}

/// The path that data took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathTaken {
    /// Members moved all of it by DMA.
    Direct,
    /// Some of it was copied through host pages.
    PartlyStaged,
    /// All of it was copied through host pages.
    Staged,
    /// Some of it ended with `EREMOTEIO`.
    PartlyRefused,
    /// All of it ended with `EREMOTEIO`.
    Refused,
    /// The array counted less than was moved, so a layer above the array copied the rest.
    NotCounted,
    /// The array has no counters.
    Unknown,
    /// Nothing was moved.
    Nowhere,
}

impl Counted {
    /// Returns how far the counters of one operation grew.
    pub fn between(before: &Counters, after: &Counters, operation: Operation) -> Self {
        // An array that was restarted in between began at 0 again.
        let grown = |count: fn(&Counters) -> u64| count(after).saturating_sub(count(before));
        let (direct_bytes, staged_bytes) = match operation {
            Operation::Read => (
                grown(|c| c.read_direct_bytes),
                grown(|c| c.read_staged_bytes),
            ),
            Operation::Write => (
                grown(|c| c.write_direct_bytes),
                grown(|c| c.write_staged_bytes),
            ),
        };
        Self {
            direct_bytes,
            staged_bytes,
            engine_bytes: grown(|c| c.staged_engine_bytes),
            refused_ios: grown(|c| c.refused_ios),
        }
    }

    fn bytes(&self) -> u64 {
        self.direct_bytes.saturating_add(self.staged_bytes)
    }

    /// Returns the bytes that were counted beyond those moved: the peer I/O of other programs.
    pub fn bytes_of_others(&self, moved: &Moved) -> u64 {
        self.bytes().saturating_sub(moved.bytes)
    }
}

impl PathTaken {
    /// Tells which path `moved` took.
    pub fn of(moved: &Moved, counted: Option<&Counted>) -> Self {
        match (moved, counted) {
            (
                Moved {
                    bytes: 0,
                    refused: 0,
                },
                _,
            ) => PathTaken::Nowhere,
            (Moved { bytes: 0, .. }, _) => PathTaken::Refused,
            (Moved { refused: 1.., .. }, _) => PathTaken::PartlyRefused,
            (_, None) => PathTaken::Unknown,
            (_, Some(counted)) if counted.bytes() < moved.bytes => PathTaken::NotCounted,
            (_, Some(counted)) => match (counted.direct_bytes, counted.staged_bytes) {
                (_, 0) => PathTaken::Direct,
                (0, _) => PathTaken::Staged,
                _ => PathTaken::PartlyStaged,
            },
        }
    }

    /// Returns the name in a colour that says whether it is good.
    pub fn styled(self) -> String {
        let style = match self {
            PathTaken::Direct => GOOD,
            PathTaken::PartlyStaged
            | PathTaken::Staged
            | PathTaken::NotCounted
            | PathTaken::Unknown => WARNING,
            PathTaken::PartlyRefused | PathTaken::Refused | PathTaken::Nowhere => BAD,
        };
        styled(style, self)
    }

    /// Explains the path and what to do about it, in whole sentences, if there is something to say.
    pub fn advice(self, array: &Array, operation: Operation) -> Option<String> {
        let name = &array.name;
        let policy = array.p2p.as_ref().map(|p2p| p2p.policy.as_str());
        let parity = operation == Operation::Write
            && ["raid4", "raid5", "raid6"].contains(&array.level.as_str());
        Some(match (self, policy) {
            (PathTaken::Direct | PathTaken::Nowhere, _) => return None,
            (PathTaken::PartlyStaged | PathTaken::Staged, _) if parity => {
                format!("Writes to {name} are always staged, because the CPU computes parity.")
            }
            (PathTaken::PartlyStaged | PathTaken::Staged, _) => format!(
                "Staged data are right, but were copied through host memory. `mdp2p topology` shows what \
                 prevents direct I/O; with `mdp2p policy {name} direct` such I/O is refused instead."
            ),
            (PathTaken::PartlyRefused | PathTaken::Refused, Some("off")) => format!(
                "The policy of {name} is off: it refuses all peer I/O (EREMOTEIO). \
                 `mdp2p policy {name} auto` allows it."
            ),
            (PathTaken::PartlyRefused | PathTaken::Refused, Some(_)) => format!(
                "{name} refused I/O that cannot be direct (EREMOTEIO). With `mdp2p policy {name} \
                 auto` it is copied through host memory."
            ),
            (PathTaken::PartlyRefused | PathTaken::Refused, None) => format!(
                "{name} is an array of the kernel's md, which refuses peer I/O at some levels \
                 (EREMOTEIO). md-p2p accepts it at every level: {}.",
                moving::pointer(name)
            ),
            (PathTaken::NotCounted, _) => format!(
                "{name} counted less peer I/O than was moved: the filesystem, or another layer \
                 above {name}, copied the rest itself."
            ),
            (PathTaken::Unknown, _) => format!(
                "{name} is an array of the kernel's md, which does not count which way bytes go."
            ),
        })
    }

    /// Returns the array's reasons why a provider's I/O is not direct, as sentences.
    pub fn reasons(self, array: &Array, provider: Bdf) -> Vec<String> {
        let direct = matches!(
            self,
            PathTaken::Direct | PathTaken::NotCounted | PathTaken::Nowhere
        );
        let p2p = array.p2p.as_ref().filter(|_| !direct);
        let all = p2p.map_or(&[][..], |p2p| &p2p.reasons);
        // Skips the reasons of other providers: "nvme3n1 does not reach 0000:03:00.0".
        let is_its = |reason: &&String| match reason.split_once(" does not reach ") {
            Some((_, other)) => other == provider.to_string(),
            None => true,
        };
        let its = all.iter().filter(is_its);
        its.map(|reason| format!("{}: {reason}.", array.name))
            .collect()
    }
}

impl fmt::Display for PathTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            PathTaken::Direct => "direct",
            PathTaken::PartlyStaged => "partly staged",
            PathTaken::Staged => "staged",
            PathTaken::PartlyRefused => "partly refused",
            PathTaken::Refused => "refused",
            PathTaken::NotCounted => "not counted",
            PathTaken::Unknown => "unknown",
            PathTaken::Nowhere => "nowhere",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::array;
    use super::*;
    use mdp2p_machine::md::array::P2p;

    fn path_of(bytes: u64, refused: u64, direct_bytes: u64, staged_bytes: u64) -> PathTaken {
        let counted = Counted {
            direct_bytes,
            staged_bytes,
            engine_bytes: 0,
            refused_ios: refused,
        };
        PathTaken::of(&Moved { bytes, refused }, Some(&counted))
    }

    #[test]
    fn the_counters_tell_which_way_bytes_went() {
        for (bytes, refused, direct, staged, expected) in [
            (100, 0, 100, 0, PathTaken::Direct),
            (100, 0, 0, 100, PathTaken::Staged),
            (100, 0, 60, 40, PathTaken::PartlyStaged),
            (0, 5, 0, 0, PathTaken::Refused),
            (100, 5, 100, 0, PathTaken::PartlyRefused),
            (100, 0, 0, 0, PathTaken::NotCounted),
            (100, 0, 99, 0, PathTaken::NotCounted),
            (0, 0, 0, 0, PathTaken::Nowhere),
            // Others moved some too: everything counted was direct, so our part was direct.
            (100, 0, 300, 0, PathTaken::Direct),
            (100, 0, 300, 20, PathTaken::PartlyStaged),
        ] {
            assert_eq!(
                path_of(bytes, refused, direct, staged),
                expected,
                "{bytes} {refused} {direct} {staged}"
            );
        }
    }

    #[test]
    fn advice_fits_the_array_and_what_was_done() {
        let mut array = Array {
            level: "raid1".into(),
            p2p: Some(P2p {
                policy: "auto".into(),
                state: "staged".into(),
                reasons: vec![
                    "nvme3n1 does not reach 0000:04:00.0".into(),
                    "nvme3n1 does not reach 0000:05:00.0".into(),
                    "something else".into(),
                ],
                provider: None,
                provider_wanted: "auto".into(),
                staging: None,
                counters: Counters::default(),
            }),
            ..array(0, 0, 2)
        };
        let says = |path: PathTaken, array: &Array, operation, part: &str| {
            let advice = path.advice(array, operation).unwrap_or_default();
            assert!(advice.contains(part), "{path}: {advice}");
        };
        let (read, write) = (Operation::Read, Operation::Write);
        assert_eq!(PathTaken::Direct.advice(&array, read), None);
        let provider = "0000:04:00.0".parse().expect("an address");
        let reasons = PathTaken::PartlyStaged.reasons(&array, provider);
        let expected = [
            "md0: nvme3n1 does not reach 0000:04:00.0.",
            "md0: something else.",
        ];
        assert_eq!(reasons, expected);
        assert_eq!(PathTaken::Direct.reasons(&array, provider), [""; 0]);
        says(PathTaken::Staged, &array, write, "mdp2p policy md0 direct");
        array.level = "raid5".into();
        says(PathTaken::Staged, &array, write, "parity");
        says(PathTaken::Staged, &array, read, "mdp2p policy md0 direct");
        says(
            PathTaken::Refused,
            &array,
            read,
            "copied through host memory",
        );
        if let Some(p2p) = &mut array.p2p {
            p2p.policy = "off".into();
        }
        says(PathTaken::Refused, &array, read, "policy of md0 is off");
        array.p2p = None;
        says(PathTaken::Refused, &array, read, "the kernel's md");
    }

    #[test]
    fn without_counters_nobody_knows() {
        let moved = |bytes, refused| Moved { bytes, refused };
        assert_eq!(PathTaken::of(&moved(1, 0), None), PathTaken::Unknown);
        assert_eq!(PathTaken::of(&moved(0, 1), None), PathTaken::Refused);
    }

    #[test]
    fn each_operation_has_its_counters() {
        let before = Counters {
            read_direct_bytes: 1000,
            write_staged_bytes: 1000,
            ..Counters::default()
        };
        let after = Counters {
            read_direct_bytes: 1010,
            read_staged_bytes: 2,
            write_direct_bytes: 30,
            write_staged_bytes: 1004,
            staged_engine_bytes: 3,
            refused_ios: 5,
            ..Counters::default()
        };
        let counted = |operation| Counted::between(&before, &after, operation);
        let read = counted(Operation::Read);
        assert_eq!((read.direct_bytes, read.staged_bytes), (10, 2));
        let write = counted(Operation::Write);
        assert_eq!((write.direct_bytes, write.staged_bytes), (30, 4));
        assert_eq!((write.engine_bytes, write.refused_ios), (3, 5));
        let moved = Moved {
            bytes: 20,
            refused: 0,
        };
        assert_eq!(write.bytes_of_others(&moved), 14);
        assert_eq!(read.bytes_of_others(&moved), 0);
        let anew = Counted::between(&after, &Counters::default(), Operation::Read);
        assert_eq!(anew, Counted::default());
    }
}
