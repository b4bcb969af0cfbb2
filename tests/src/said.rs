// SPDX-License-Identifier: GPL-2.0
//! What other programs print.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Returns what a command prints, without the spaces around it.
///
/// # Errors
/// If it does not start, or fails.
pub fn said(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{program} does not start"))?;
    ensure!(
        output.status.success(),
        "{program} {}: {}",
        arguments.join(" "),
        output.status
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Returns git's name for this state of the repository.
///
/// # Errors
/// If git fails.
pub fn commit() -> Result<String> {
    let always = ["describe", "--always", "--dirty"];
    said(
        "git",
        &[&always[..], &["--abbrev=12", "--exclude=*"]].concat(),
    )
}
