// SPDX-License-Identifier: GPL-2.0

//! Tries who holds the names that exist only once, whatever the kernel's md does.

use md_p2p_decide::names::{Event, Names};
use proptest::prelude::*;

/// What the kernel's md is doing. Its folder comes soon after we are told that it comes, and
/// goes soon after we are told of its end. In between it has the names.
#[derive(Clone, Copy, Debug, Default)]
struct Theirs {
    told: bool,
    folder: bool,
    names: bool,
}

/// What may happen next.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The kernel's md does the next thing, if only to fail.
    Goes,
    Fails,
    /// The work that was scheduled runs.
    Moment,
}

struct World {
    ours: Names,
    theirs: Theirs,
}

impl World {
    fn happens(&mut self, event: Event) {
        self.ours = self.ours.after(event);
        if self.ours == Names::Taking {
            self.ours = self.ours.after(match self.theirs {
                Theirs { names: true, .. } => Event::InUse,
                Theirs { folder: true, .. } => Event::InTheWay,
                _ => Event::Taken,
            });
        }
    }

    fn step(&mut self, step: Step) {
        let Theirs {
            told,
            folder,
            names,
        } = self.theirs;
        match step {
            Step::Moment if self.ours == Names::Waiting => self.happens(Event::Moment),
            Step::Moment => {}
            Step::Fails if told && !names => self.end(),
            Step::Fails => {}
            Step::Goes => match (told, folder, names) {
                (false, false, _) => {
                    self.theirs.told = true;
                    self.happens(Event::Coming);
                }
                (false, true, _) => self.theirs.folder = false,
                (true, false, _) => self.theirs.folder = true,
                (true, true, false) => self.theirs.names = true,
                (true, true, true) => self.end(),
            },
        }
    }

    fn end(&mut self) {
        self.theirs.names = false;
        self.theirs.told = false;
        self.happens(Event::Going);
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(
        prop::sample::select(vec![Step::Goes, Step::Goes, Step::Fails, Step::Moment]),
        0..40,
    )
}

/// Makes worlds that we come into. Nobody tells us what the kernel's md is doing then.
fn worlds() -> impl Strategy<Value = World> {
    prop::sample::select(vec![
        Theirs::default(),
        Theirs {
            folder: true,
            ..Theirs::default()
        },
        Theirs {
            told: true,
            folder: true,
            names: false,
        },
        Theirs {
            told: true,
            folder: true,
            names: true,
        },
    ])
    .prop_map(|theirs| World {
        ours: Names::Waiting,
        theirs,
    })
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {:?}", self.ours, self.theirs)
    }
}

proptest! {
    #[test]
    fn nobody_meets_the_others_names_and_nobodys_are_left(mut world in worlds(), steps in steps()) {
        world.happens(Event::Moment);
        for step in steps {
            world.step(step);
            if world.ours == Names::Ours {
                let theirs = world.theirs;
                prop_assert!(!theirs.folder && !theirs.names && !theirs.told, "{world:?} after {step:?}");
            }
        }
        // The kernel's md ends, and its folder goes.
        while world.theirs.told || world.theirs.folder {
            world.step(Step::Goes);
        }
        world.step(Step::Moment);
        prop_assert_eq!(world.ours, Names::Ours);
    }

    #[test]
    fn who_leaves_takes_nothing_any_more(mut world in worlds(), before in steps(), after in steps()) {
        before.into_iter().for_each(|step| world.step(step));
        world.happens(Event::Leaving);
        for step in after {
            world.step(step);
            world.happens(Event::Moment);
            prop_assert_eq!(world.ours, Names::Left);
        }
    }
}
