// SPDX-License-Identifier: GPL-2.0

//! Whose the names are of which there is one (see `shim_names.c`): md-p2p's as
//! long as the kernel's md is not there.

/// Who has them, or what comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// md-p2p has them.
    Ours,
    /// The kernel's md has them, or takes them.
    Theirs,
    /// They are to be taken, now.
    Taking,
    /// They are to be taken, in a moment.
    Waiting,
    /// md-p2p is leaving: it takes none any more.
    Left,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The kernel's md is about to have a folder, and then to start.
    Coming,
    /// It has ended, or could not start; its folder is still there.
    Going,
    /// The moment is over.
    Moment,
    /// md-p2p has taken them.
    Taken,
    /// It could not, since a module md_mod has its folder.
    InTheWay,
    /// It could not, since one of them is in use.
    InUse,
    /// md-p2p is leaving.
    Leaving,
}

impl Names {
    /// What follows.
    pub fn after(self, event: Event) -> Self {
        match (self, event) {
            (Self::Left, _) | (_, Event::Leaving) => Self::Left,
            (_, Event::Coming) => Self::Theirs,
            (Self::Ours, _) => Self::Ours,
            (_, Event::Going) => Self::Waiting,
            // Who holds them tells when it goes.
            (Self::Theirs, _) | (_, Event::InUse) => Self::Theirs,
            (_, Event::Moment) => Self::Taking,
            (_, Event::Taken) => Self::Ours,
            // It has just come, or is about to be gone.
            (_, Event::InTheWay) => Self::Waiting,
        }
    }
}
