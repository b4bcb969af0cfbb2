// SPDX-License-Identifier: GPL-2.0
//! Checks whether we run as root.
//!
//! Tests: tests/contract.rs.

use anyhow::{Result, bail};
use nix::unistd::Uid;

/// Tells whether we run as root.
pub fn is_root() -> bool {
    Uid::effective().is_root()
}

/// Checks that we run as root; `what` completes the sentence "only root can".
///
/// # Errors
/// Fails if we do not.
pub fn need_root(what: &str) -> Result<()> {
    if !is_root() {
        bail!("only root can {what}: run it with sudo; nothing was changed");
    }
    Ok(())
}
