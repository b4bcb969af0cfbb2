// SPDX-License-Identifier: GPL-2.0
//! The levels of MD.

use std::fmt;

use anyhow::{Result, bail};

/// A level by md's number, which is -1 for linear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(i32);

impl Level {
    /// Parses a level by one of mdadm's names for it.
    ///
    /// # Errors
    /// Lists the levels if none has this name.
    pub fn parse(name: &str) -> Result<Self> {
        Ok(Self(match name {
            "linear" | "-1" => -1,
            "0" | "raid0" | "stripe" => 0,
            "1" | "raid1" | "mirror" => 1,
            "4" | "raid4" => 4,
            "5" | "raid5" => 5,
            "6" | "raid6" => 6,
            "10" | "raid10" => 10,
            _ => bail!(
                "--level {name}: there is no such level; the levels are linear, 0, 1, 4, 5, 6 and 10"
            ),
        }))
    }

    /// Returns md's number of the level.
    pub fn number(self) -> i32 {
        self.0
    }

    /// Returns the name of the module for the level.
    pub fn module(self) -> &'static str {
        match self.0 {
            0 => "raid0-p2p",
            1 => "raid1-p2p",
            10 => "raid10-p2p",
            4..=6 => "raid456-p2p",
            _ => "linear-p2p",
        }
    }

    /// Returns the name of the level for mdadm's `--level`.
    pub fn mdadm_name(self) -> String {
        match self.0 {
            -1 => "linear".into(),
            number => number.to_string(),
        }
    }

    /// Tells whether the level survives the loss of a member.
    pub fn is_redundant(self) -> bool {
        self.0 > 0
    }

    /// Returns the minimum number of members, and how many may be missing. (For a mirror, that
    /// depends on which ones.)
    pub fn bounds(self) -> (usize, usize) {
        match self.0 {
            1 | 10 => (2, usize::MAX),
            4 | 5 => (2, 1),
            6 => (4, 2),
            _ => (2, 0),
        }
    }
}

impl fmt::Display for Level {
    /// Writes the name of the level in sysfs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            -1 => f.write_str("linear"),
            number => write!(f, "raid{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_the_names_that_mdadm_knows() {
        for (names, shown, option, module) in [
            (&["linear", "-1"][..], "linear", "linear", "linear-p2p"),
            (&["0", "raid0", "stripe"], "raid0", "0", "raid0-p2p"),
            (&["1", "raid1", "mirror"], "raid1", "1", "raid1-p2p"),
            (&["4", "raid4"], "raid4", "4", "raid456-p2p"),
            (&["5", "raid5"], "raid5", "5", "raid456-p2p"),
            (&["6", "raid6"], "raid6", "6", "raid456-p2p"),
            (&["10", "raid10"], "raid10", "10", "raid10-p2p"),
        ] {
            for name in names {
                let level = Level::parse(name).expect(name);
                assert_eq!(level.to_string(), shown);
                assert_eq!(
                    (level.mdadm_name().as_str(), level.module()),
                    (option, module)
                );
            }
        }
        for name in [
            "",
            "2",
            "raid2",
            "raid50",
            "RAID1",
            "multipath",
            "container",
            " 1",
        ] {
            assert!(Level::parse(name).is_err(), "{name}");
        }
    }
}
