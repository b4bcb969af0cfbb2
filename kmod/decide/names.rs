// SPDX-License-Identifier: GPL-2.0

//! Decides who holds the names that exist only once (block major 9,
//! `/proc/mdstat` and others, see `shim/names.c`): md-p2p as long as the kernel's
//! md is not there.
//!
//! Tests: `tests/tests/names.rs`, and the scenario `modes`.

/// Who has the names, or what comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// md-p2p has them.
    Ours,
    /// The kernel's md has them, or takes them.
    Theirs,
    /// md-p2p is to take them now.
    Taking,
    /// md-p2p is to take them in a moment.
    Waiting,
    /// md-p2p is leaving, and takes none any more.
    Left,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The kernel's md is about to have a folder, and then to start.
    Coming,
    /// The kernel's md has ended, or could not start; its folder is still there.
    Going,
    /// The moment is over.
    Moment,
    /// md-p2p has taken them.
    Taken,
    /// md-p2p could not take them, because a module md_mod has its folder.
    InTheWay,
    /// md-p2p could not take them, because one of them is in use.
    InUse,
    /// md-p2p is leaving.
    Leaving,
}

impl Names {
    /// Returns what follows an event.
    pub fn after(self, event: Event) -> Self {
        match (self, event) {
            (Self::Left, _) | (_, Event::Leaving) => Self::Left,
            (_, Event::Coming) => Self::Theirs,
            (Self::Ours, _) => Self::Ours,
            (_, Event::Going) => Self::Waiting,
            // The holder tells when it goes.
            (Self::Theirs, _) | (_, Event::InUse) => Self::Theirs,
            (_, Event::Moment) => Self::Taking,
            (_, Event::Taken) => Self::Ours,
            // The module has just come, or is about to be gone.
            (_, Event::InTheWay) => Self::Waiting,
        }
    }
}
