// SPDX-License-Identifier: GPL-2.0
//! What to expect of I/O with the memory of a provider.
//!
//! Tests: tests/create.rs.

use std::fmt;

use md_p2p_decide::route::Route;
use mdp2p_machine::pci::bdf::Bdf;

/// The outcome of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The members do the DMA themselves.
    Direct,
    /// Part of it is direct.
    Partly,
    /// The CPU copies it.
    Staged,
    /// It fails with `EREMOTEIO`.
    Refused,
    /// The rebuild goes through the provider's memory.
    Peer,
    /// The rebuild goes through host memory.
    Host,
    /// The level has no such operation.
    None,
}

impl Outcome {
    /// Returns the outcome of a route.
    pub fn of(route: Route) -> Self {
        match route {
            Route::Direct => Outcome::Direct,
            Route::Staged => Outcome::Staged,
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

/// An outcome and a remark on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The outcome.
    pub outcome: Outcome,
    /// A sentence without its full stop; empty if there is nothing to add.
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
    /// Combines an outcome with a remark.
    pub fn new(outcome: Outcome, note: impl Into<String>) -> Self {
        let note = note.into();
        Self { outcome, note }
    }
}

/// What to expect of I/O with the memory of one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// The provider.
    pub provider: Bdf,
    /// Reading the array into that memory.
    pub read: Expectation,
    /// Writing that memory to the array.
    pub write: Expectation,
    /// A rebuild that borrows that memory.
    pub rebuild: Expectation,
}

impl Forecast {
    /// Returns each expectation with the name of its operation.
    pub fn each(&self) -> [(&'static str, &Expectation); 3] {
        [
            ("read", &self.read),
            ("write", &self.write),
            ("rebuild", &self.rebuild),
        ]
    }
}
