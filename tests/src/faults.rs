// SPDX-License-Identifier: GPL-2.0
//! The cases of the fault matrix. In a case, one I/O of one kind of array meets one fault. Each case
//! also has its promise, so that a trial only compares.

use std::collections::BinaryHeap;
use std::fmt;

use mdp2p_io::random::Random;

/// Makes an enum of a factor's values, each with its name.
macro_rules! factor {
    ($(#[$doc:meta])* $name:ident { $($value:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the words beside them say it all")]
        pub enum $name { $($value,)* }

        impl $name {
            /// Every value.
            pub const ALL: &[$name] = &[$($name::$value,)*];

            /// Returns its name.
            pub fn word(self) -> &'static str {
                match self { $($name::$value => $word,)* }
            }
        }
    };
}

factor! {
    /// The level of the array, with the layout of a raid10.
    Shape {
        Linear = "linear",
        Raid0 = "raid0",
        Raid1 = "raid1",
        Near = "raid10-near",
        Far = "raid10-far",
        Raid4 = "raid4",
        Raid5 = "raid5",
        Raid6 = "raid6",
    }
}

factor! {
    /// The direction of the I/O.
    Action {
        Read = "read",
        Write = "write",
    }
}

factor! {
    /// The target of the I/O: the array, or a partition of it.
    Place {
        Disk = "disk",
        Partition = "partition",
    }
}

factor! {
    /// The fault: of one member, of all members, or of one member after the others have done their
    /// part.
    Fault {
        Nothing = "no-fault",
        MappingOne = "mapping-one",
        MappingAll = "mapping-all",
        MappingLate = "mapping-late",
        TransferOne = "transfer-one",
        TransferAll = "transfer-all",
        TransferLate = "transfer-late",
        MediumOne = "medium-one",
        GoneBefore = "gone-before",
        GoneAfter = "gone-after",
    }
}

factor! {
    /// The write-intent bitmap.
    Bitmap {
        None = "no-bitmap",
        Internal = "internal-bitmap",
        Lockless = "lockless-bitmap",
    }
}

factor! {
    /// Whether the members are failfast.
    Failfast {
        No = "patient",
        Yes = "failfast",
    }
}

factor! {
    /// Whether a block of a member that does not fail is known to be bad.
    Known {
        Good = "all-good",
        Bad = "known-bad",
    }
}

factor! {
    /// The members.
    Members {
        Whole = "whole",
        Degraded = "degraded",
        Replacement = "replacement",
        WriteMostly = "write-mostly",
    }
}

factor! {
    /// The policy of the array.
    Policy {
        Auto = "auto",
        Direct = "direct",
    }
}

factor! {
    /// Who copies what is staged: the CPU, or a DMA engine in which nothing goes wrong or all does.
    Copier {
        Cpu = "cpu",
        Engine = "engine",
        Failing = "failing-engine",
        Hanging = "hanging-engine",
    }
}

/// One case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the types say it")]
pub struct Case {
    pub shape: Shape,
    pub action: Action,
    pub place: Place,
    pub fault: Fault,
    pub bitmap: Bitmap,
    pub failfast: Failfast,
    pub known: Known,
    pub members: Members,
    pub policy: Policy,
    pub copier: Copier,
}

/// The number of factors.
const FACTORS: usize = 10;

/// The largest number of values that a factor has.
const VALUES: usize = 10;

/// What the I/O of a case may end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Success, and nothing else.
    Success,
    /// Success, or an error of this kind.
    Either(Errors),
    /// An error of this kind.
    Failure(Errors),
}

/// Errors that an I/O may end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errors {
    /// `EREMOTEIO`.
    Refused,
    /// `EIO`, or `ENODATA` of a medium.
    Failed,
    /// `EREMOTEIO` or `EIO`.
    Any,
}

impl Shape {
    /// Returns whether a member may be missing.
    pub fn is_redundant(self) -> bool {
        !matches!(self, Shape::Linear | Shape::Raid0)
    }

    /// Returns whether the members hold copies.
    pub fn is_mirror(self) -> bool {
        matches!(self, Shape::Raid1 | Shape::Near | Shape::Far)
    }

    /// Returns whether the CPU has to compute parity.
    pub fn has_parity(self) -> bool {
        matches!(self, Shape::Raid4 | Shape::Raid5 | Shape::Raid6)
    }

    /// Returns how many members the array has.
    pub fn members(self) -> usize {
        match self {
            Shape::Raid4 | Shape::Raid5 => 3,
            Shape::Raid6 => 4,
            _ => 2,
        }
    }
}

impl Fault {
    /// Returns whether the provider goes.
    pub fn is_gone(self) -> bool {
        matches!(self, Fault::GoneBefore | Fault::GoneAfter)
    }
}

impl Case {
    /// Returns whether such an array can be made, and whether the I/O has a definite end.
    pub fn makes_sense(&self) -> bool {
        let redundant = self.shape.is_redundant()
            || (self.bitmap == Bitmap::None
                && self.known == Known::Good
                && self.members == Members::Whole
                && self.failfast == Failfast::No);
        // md knows failfast at these levels, and write-mostly at raid1.
        let failfast = self.failfast == Failfast::No || self.shape.is_mirror();
        let write_mostly = self.members != Members::WriteMostly || self.shape == Shape::Raid1;
        // Data that are lost twice are nowhere any more.
        let losses = [
            self.known == Known::Bad,
            self.members == Members::Degraded,
            self.fault == Fault::MediumOne,
        ];
        let lost = losses.iter().filter(|lost| **lost).count();
        let spare = !self.shape.is_redundant() || lost < 2;
        // An engine meets what a level and a fault make of the data, and knows nothing of the rest.
        let copier = self.copier == Copier::Cpu
            || (self.policy == Policy::Auto
                && self.place == Place::Disk
                && self.bitmap == Bitmap::None
                && self.failfast == Failfast::No
                && self.known == Known::Good);
        redundant && failfast && write_mostly && spare && copier
    }

    /// Returns what the I/O may end with, if the fault was `met` by an I/O of the array.
    pub fn promise(&self, met: bool) -> Promise {
        let direct = self.policy == Policy::Direct;
        if direct && self.action == Action::Write && self.shape.has_parity() {
            return Promise::Failure(Errors::Refused);
        }
        match self.fault {
            Fault::GoneBefore => Promise::Failure(Errors::Any),
            // A mirror may note that one copy is bad, and succeed.
            Fault::GoneAfter if met => Promise::Either(Errors::Any),
            Fault::MediumOne if met && !self.shape.is_redundant() => {
                Promise::Failure(Errors::Failed)
            }
            _ if direct && self.action == Action::Read && (met || self.shape.has_parity()) => {
                Promise::Either(Errors::Refused)
            }
            _ => Promise::Success,
        }
    }

    fn values(&self) -> [usize; FACTORS] {
        [
            self.shape as usize,
            self.action as usize,
            self.place as usize,
            self.fault as usize,
            self.bitmap as usize,
            self.failfast as usize,
            self.known as usize,
            self.members as usize,
            self.policy as usize,
            self.copier as usize,
        ]
    }

    /// Returns a number for each pair of values.
    fn pairs(&self) -> impl Iterator<Item = usize> {
        let values = self.values();
        let one = move |factor: usize| factor * VALUES + values[factor];
        (0..FACTORS).flat_map(move |second| {
            (0..second).map(move |first| one(first) * FACTORS * VALUES + one(second))
        })
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            self.shape.word(),
            self.action.word(),
            self.place.word(),
            self.fault.word(),
            self.bitmap.word(),
            self.failfast.word(),
            self.known.word(),
            self.members.word(),
            self.policy.word(),
            self.copier.word(),
        ];
        f.write_str(&words.join(" "))
    }
}

/// Returns every case that makes sense. A case's number is its place in here.
pub fn all() -> Vec<Case> {
    Copier::ALL
        .iter()
        .flat_map(|copier| with_copier(*copier))
        .collect()
}

fn with_copier(copier: Copier) -> Vec<Case> {
    let mut cases = Vec::new();
    for &shape in Shape::ALL {
        for &action in Action::ALL {
            for &place in Place::ALL {
                for &fault in Fault::ALL {
                    for &bitmap in Bitmap::ALL {
                        let case = Case {
                            shape,
                            action,
                            place,
                            fault,
                            bitmap,
                            failfast: Failfast::No,
                            known: Known::Good,
                            members: Members::Whole,
                            policy: Policy::Auto,
                            copier,
                        };
                        cases.extend(with_members(case));
                    }
                }
            }
        }
    }
    cases
}

fn with_members(case: Case) -> Vec<Case> {
    let mut cases = Vec::new();
    for &failfast in Failfast::ALL {
        for &known in Known::ALL {
            for &members in Members::ALL {
                for &policy in Policy::ALL {
                    cases.push(Case {
                        failfast,
                        known,
                        members,
                        policy,
                        ..case
                    });
                }
            }
        }
    }
    cases.retain(Case::makes_sense);
    cases
}

/// Returns the cases that once failed, or that alone fail if a fix is taken out: see
/// docs/testing.md. Some bugs need three values to meet.
pub fn regressions() -> Vec<Case> {
    let base = Case {
        shape: Shape::Raid1,
        action: Action::Write,
        place: Place::Disk,
        fault: Fault::MappingOne,
        bitmap: Bitmap::None,
        failfast: Failfast::No,
        known: Known::Good,
        members: Members::Whole,
        policy: Policy::Auto,
        copier: Copier::Cpu,
    };
    let mut cases = Vec::new();
    // Repeated I/O went to twice the partition's start.
    for shape in [Shape::Linear, Shape::Raid0] {
        for action in [Action::Read, Action::Write] {
            let place = Place::Partition;
            cases.push(Case {
                shape,
                action,
                place,
                ..base
            });
        }
    }
    // A copy that was excused was given up twice, and could not be removed any more.
    for shape in [Shape::Near, Shape::Far] {
        let known = Known::Bad;
        cases.push(Case {
            shape,
            known,
            ..base
        });
    }
    // The provider went between two copies, which stayed different.
    for shape in [Shape::Raid1, Shape::Near, Shape::Far] {
        for bitmap in [Bitmap::None, Bitmap::Internal] {
            let fault = Fault::GoneAfter;
            cases.push(Case {
                shape,
                bitmap,
                fault,
                ..base
            });
        }
    }
    // A failfast member was failed by a read that could not be mapped.
    cases.push(Case {
        action: Action::Read,
        failfast: Failfast::Yes,
        ..base
    });
    // Likewise when nothing may be staged, so that the read fails for good.
    for members in [Members::Whole, Members::Replacement] {
        cases.push(Case {
            action: Action::Read,
            failfast: Failfast::Yes,
            policy: Policy::Direct,
            members,
            ..base
        });
    }
    // A member was failed by a read whose transfer failed, when nothing may be staged.
    cases.push(Case {
        action: Action::Read,
        fault: Fault::TransferOne,
        policy: Policy::Direct,
        ..base
    });
    // A copy that was excused because the provider had gone was given up twice.
    for policy in [Policy::Auto, Policy::Direct] {
        cases.push(Case {
            shape: Shape::Near,
            fault: Fault::GoneAfter,
            known: Known::Bad,
            policy,
            ..base
        });
    }
    // Members were blamed for data that had gone with the provider: reads failed them, and writes
    // gave them bad blocks.
    for shape in [Shape::Raid1, Shape::Near] {
        for action in [Action::Read, Action::Write] {
            let fault = Fault::GoneBefore;
            cases.push(Case {
                shape,
                action,
                fault,
                ..base
            });
        }
    }
    // A recovery that was interrupted before it had begun left out three sectors.
    cases.push(Case {
        action: Action::Read,
        fault: Fault::MediumOne,
        failfast: Failfast::Yes,
        members: Members::Replacement,
        ..base
    });
    // A read succeeded although the stripe cache copied into memory that had gone.
    cases.push(Case {
        shape: Shape::Raid5,
        action: Action::Read,
        fault: Fault::GoneBefore,
        ..base
    });
    cases
}

/// Returns numbers of cases: the [`regressions`], and then cases that together have every pair of
/// values that any usable case has. Each choice is a case with the most new pairs. The seed
/// decides between equals.
pub fn pairs(cases: &[Case], usable: impl Fn(&Case) -> bool, seed: u64) -> Vec<usize> {
    let mut random = Random::new(seed);
    let mut seen = vec![false; (FACTORS * VALUES).pow(2)];
    let once_failed = regressions();
    let mut taken: Vec<usize> = (0..cases.len())
        .filter(|number| once_failed.contains(&cases[*number]))
        .collect();
    for number in &taken {
        cases[*number].pairs().for_each(|pair| seen[pair] = true);
    }
    // A gain only shrinks, so that an earlier gain is an upper bound.
    let mut bounds: BinaryHeap<(usize, u64, usize)> = (0..cases.len())
        .filter(|number| usable(&cases[*number]))
        .map(|number| (usize::MAX, random.word(), number))
        .collect();
    while let Some((_, luck, number)) = bounds.pop() {
        let gain = cases[number].pairs().filter(|pair| !seen[*pair]).count();
        if gain == 0 {
            continue;
        }
        if bounds.peek().is_some_and(|(bound, ..)| *bound > gain) {
            bounds.push((gain, luck, number));
            continue;
        }
        cases[number].pairs().for_each(|pair| seen[pair] = true);
        taken.push(number);
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn case() -> Case {
        Case {
            shape: Shape::Raid1,
            action: Action::Write,
            place: Place::Disk,
            fault: Fault::Nothing,
            bitmap: Bitmap::None,
            failfast: Failfast::No,
            known: Known::Good,
            members: Members::Whole,
            policy: Policy::Auto,
            copier: Copier::Cpu,
        }
    }

    #[test]
    fn pairs_have_every_pair_that_any_case_has_and_are_few() {
        let cases = all();
        for seed in [0, 1] {
            let taken = pairs(&cases, |_| true, seed);
            let of = |cases: &mut dyn Iterator<Item = &Case>| -> HashSet<usize> {
                cases.flat_map(Case::pairs).collect()
            };
            let covered = of(&mut taken.iter().map(|number| &cases[*number]));
            assert_eq!(covered, of(&mut cases.iter()));
            // The two longest factors have so many pairs of values.
            let least = Shape::ALL.len() * Fault::ALL.len();
            let most = least * 3 / 2 + regressions().len();
            assert!((least..most).contains(&taken.len()), "{}", taken.len());
        }
    }

    #[test]
    fn pairs_follow_from_the_seed() {
        let cases = all();
        assert_eq!(pairs(&cases, |_| true, 5), pairs(&cases, |_| true, 5));
        assert_ne!(pairs(&cases, |_| true, 5), pairs(&cases, |_| true, 6));
    }

    #[test]
    fn what_cannot_be_had_is_in_no_pair() {
        let cases = all();
        let without = pairs(&cases, |case| case.bitmap != Bitmap::Lockless, 0);
        assert!(
            without
                .iter()
                .all(|number| cases[*number].bitmap != Bitmap::Lockless)
        );
    }

    #[test]
    fn all_cases_differ_and_every_value_is_used() {
        let cases = all();
        let names: HashSet<String> = cases.iter().map(ToString::to_string).collect();
        assert_eq!(names.len(), cases.len());
        for (factor, count) in [8, 2, 2, 10, 3, 2, 2, 4, 2, 4].into_iter().enumerate() {
            let used: HashSet<usize> = cases.iter().map(|case| case.values()[factor]).collect();
            assert_eq!(used.len(), count, "factor {factor}");
            assert!(count <= VALUES);
        }
    }

    #[test]
    fn what_once_failed_is_tried_whatever_the_seed() {
        let cases = all();
        for seed in [0, 1] {
            let taken: Vec<Case> = pairs(&cases, |_| true, seed)
                .iter()
                .map(|number| cases[*number])
                .collect();
            for case in regressions() {
                assert!(taken.contains(&case), "{case}");
            }
        }
    }

    #[test]
    fn a_fault_of_peer_memory_is_no_failure_unless_the_provider_is_gone() {
        let with = |fault| Case { fault, ..case() };
        assert_eq!(with(Fault::MappingAll).promise(true), Promise::Success);
        assert_eq!(with(Fault::TransferLate).promise(true), Promise::Success);
        assert_eq!(with(Fault::MediumOne).promise(true), Promise::Success);
        assert_eq!(
            with(Fault::GoneBefore).promise(true),
            Promise::Failure(Errors::Any)
        );
        assert_eq!(
            with(Fault::GoneAfter).promise(true),
            Promise::Either(Errors::Any)
        );
        assert_eq!(with(Fault::GoneAfter).promise(false), Promise::Success);
    }

    #[test]
    fn the_policy_direct_refuses_what_would_be_staged() {
        let direct = Case {
            policy: Policy::Direct,
            ..case()
        };
        assert_eq!(direct.promise(false), Promise::Success);
        let parity = Case {
            shape: Shape::Raid5,
            ..direct
        };
        assert_eq!(parity.promise(false), Promise::Failure(Errors::Refused));
        let read = Case {
            action: Action::Read,
            ..parity
        };
        assert_eq!(read.promise(false), Promise::Either(Errors::Refused));
    }

    #[test]
    fn no_case_has_lost_data_twice() {
        let degraded = Case {
            members: Members::Degraded,
            ..case()
        };
        assert!(degraded.makes_sense());
        assert!(
            !Case {
                known: Known::Bad,
                ..degraded
            }
            .makes_sense()
        );
        assert!(
            !Case {
                fault: Fault::MediumOne,
                ..degraded
            }
            .makes_sense()
        );
    }
}
