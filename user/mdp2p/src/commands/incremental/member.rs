// SPDX-License-Identifier: GPL-2.0
//! Reads the superblock of a member, through mdadm.
//!
//! Tests: the scenario incremental.sh.

use std::path::Path;
use std::process;

use anyhow::{Context, Result, anyhow};
use mdp2p_machine::md::level::Level;
use mdp2p_machine::md::uuid::Uuid;
use mdp2p_machine::programs::ask;

/// What the superblock of a member says.
pub struct Member {
    /// The UUID of the array.
    pub uuid: Uuid,
    /// `None` if md-p2p does not have the level.
    pub level: Option<Level>,
}

impl Member {
    /// Asks mdadm what the superblock of a device says.
    ///
    /// # Errors
    /// Fails if mdadm cannot be run, or if the device has no superblock.
    pub fn of(mdadm: &Path, device: &Path) -> Result<Self> {
        let mut examine = process::Command::new(mdadm);
        examine.args(["--examine", "--export"]).arg(device);
        let answer = ask(&mut examine).with_context(|| mdadm.display().to_string())?;
        let text = answer.output;
        let member = || {
            Some(Self {
                uuid: value(&text, "MD_UUID")?.parse().ok()?,
                level: Level::parse(value(&text, "MD_LEVEL")?).ok(),
            })
        };
        member().ok_or_else(|| {
            anyhow!(
                "{} is not a member of an array: {}",
                device.display(),
                answer.complaint
            )
        })
    }
}

/// Returns the value of the line `KEY=VALUE`.
pub fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.find(|(it, _)| *it == key).map(|(_, value)| value)
}
