// SPDX-License-Identifier: GPL-2.0
//! Reads sysfs.

use std::fs;

use anyhow::{Context, Result};

/// Returns what a file of sysfs says, without the newline.
pub fn attr(name: &str, folder: &str) -> Result<String> {
    let path = format!("{folder}/{name}");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    Ok(text.trim().to_owned())
}
