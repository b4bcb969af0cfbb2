// SPDX-License-Identifier: GPL-2.0
//! Makes the initramfs again, with the program that made it.
//!
//! Tests: the scenario initramfs.sh.

use std::io::Write;
use std::process::{self, Stdio};

use anyhow::{Context, Result, bail};
use mdp2p_machine::programs::{command_line, program};
use mdp2p_machine::sysroot::Sysroot;

use crate::ui;

/// Makes the initramfs again, because it assembles arrays and must know which are enrolled.
///
/// # Errors
/// Fails if it cannot be made again.
pub fn renew_initramfs(sysroot: &Sysroot, dry_run: bool) -> Result<()> {
    let all: [&[&str]; 2] = [
        &["update-initramfs", "-u", "-k", "all"],
        &["dracut", "--force", "--regenerate-all"],
    ];
    let found = all
        .into_iter()
        .find_map(|words| Some((program(words[0])?, words)));
    let Some((path, words)) = found.filter(|_| sysroot.is_here()) else {
        return Ok(());
    };
    if dry_run {
        writeln!(ui::out(), "{}", command_line(words))?;
        return Ok(());
    }
    let status = process::Command::new(path)
        .args(&words[1..])
        .stdin(Stdio::null())
        .status()
        .with_context(|| words[0].to_owned())?;
    if !status.success() {
        bail!(
            "`{}` failed with {status}: until it succeeds, the initramfs assembles arrays as before; \
             everything else is done",
            command_line(words)
        );
    }
    Ok(())
}
