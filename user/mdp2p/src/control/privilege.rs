// SPDX-License-Identifier: GPL-2.0
//! Whether we may change anything.

use anyhow::{Result, bail};
use nix::unistd::Uid;

/// Whether we may do everything.
pub fn is_root() -> bool {
    Uid::effective().is_root()
}

/// # Errors
/// If we are not root; `what` says what root is needed to do.
pub fn need_root(what: &str) -> Result<()> {
    if !is_root() {
        bail!("only root can {what}: run it with sudo; nothing was changed");
    }
    Ok(())
}
