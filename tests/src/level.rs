// SPDX-License-Identifier: GPL-2.0
//! The levels of md.

use std::fmt;

use clap::ValueEnum;

/// A level of md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
#[expect(missing_docs, reason = "their names say it all")]
pub enum Level {
    Linear,
    #[value(name = "0", alias = "raid0")]
    Raid0,
    #[value(name = "1", alias = "raid1")]
    Raid1,
    #[value(name = "10", alias = "raid10")]
    Raid10,
    #[value(name = "4", alias = "raid4")]
    Raid4,
    #[value(name = "5", alias = "raid5")]
    Raid5,
    #[value(name = "6", alias = "raid6")]
    Raid6,
}

impl Level {
    /// Returns whether a member may be missing.
    pub fn is_redundant(self) -> bool {
        !matches!(self, Level::Linear | Level::Raid0)
    }

    /// Returns whether parity stands for a missing member.
    pub fn has_parity(self) -> bool {
        self.parity() > 0
    }

    /// Returns how many members hold parity.
    pub fn parity(self) -> usize {
        match self {
            Level::Raid4 | Level::Raid5 => 1,
            Level::Raid6 => 2,
            _ => 0,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Linear => "linear",
            Level::Raid0 => "raid0",
            Level::Raid1 => "raid1",
            Level::Raid10 => "raid10",
            Level::Raid4 => "raid4",
            Level::Raid5 => "raid5",
            Level::Raid6 => "raid6",
        })
    }
}
