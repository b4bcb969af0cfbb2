// SPDX-License-Identifier: GPL-2.0
//! What will become of I/O with a provider's memory.

use std::fmt;

use md_p2p_decide::route::Route;
use mdp2p_machine::pci::bdf::Bdf;

/// What will become of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Members do DMA themselves.
    Direct,
    /// Some of it is direct.
    Partly,
    /// The CPU copies it.
    Staged,
    /// It ends with `EREMOTEIO`.
    Refused,
    /// A rebuild goes through the provider's memory.
    Peer,
    /// A rebuild goes through host memory.
    Host,
    /// There is no such operation.
    None,
}

impl Outcome {
    /// Returns the outcome of a route.
    pub fn of(route: Route) -> Self {
        match route {
            Route::Direct => Outcome::Direct,
            Route::Staged | Route::Cached => Outcome::Staged,
            Route::Refused => Outcome::Refused,
            Route::Later => Outcome::Partly,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Outcome::Direct => "direct",
            Outcome::Partly => "partly",
            Outcome::Staged => "staged",
            Outcome::Refused => "refused",
            Outcome::Peer => "peer",
            Outcome::Host => "host",
            Outcome::None => "-",
        })
    }
}

/// An outcome, and what there is to be said about it: perhaps nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The outcome.
    pub outcome: Outcome,
    /// A sentence without its full stop, or nothing.
    pub note: String,
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.note.as_str() {
            "" => write!(f, "{}", self.outcome),
            note => write!(f, "{}, {note}", self.outcome),
        }
    }
}

impl Expectation {
    /// Returns an outcome with a note.
    pub fn new(outcome: Outcome, note: impl Into<String>) -> Self {
        let note = note.into();
        Self { outcome, note }
    }
}

/// What will become of I/O with the memory of one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// Whose memory.
    pub provider: Bdf,
    /// The array is read.
    pub read: Expectation,
    /// It is written.
    pub write: Expectation,
    /// A rebuild borrows it.
    pub rebuild: Expectation,
}

impl Forecast {
    /// Each with its name.
    pub fn each(&self) -> [(&'static str, &Expectation); 3] {
        [
            ("read", &self.read),
            ("write", &self.write),
            ("rebuild", &self.rebuild),
        ]
    }
}
