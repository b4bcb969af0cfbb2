// SPDX-License-Identifier: GPL-2.0
//! Secure Boot: whether the firmware has it on, and which keys it knows.

use std::io::ErrorKind;
use std::path::Path;
use std::{fs, process};

use anyhow::{Context, Result};

use crate::programs;
use crate::sysroot::{Sysroot, garbage};

/// DKMS's own key, with which it signs all that it builds.
pub const KEY: &str = "var/lib/dkms/mok.key";

/// What the firmware has to know for it.
pub const CERTIFICATE: &str = "var/lib/dkms/mok.pub";

/// Whether the firmware has a certificate; none if it does not tell.
pub fn is_enrolled(certificate: &Path) -> Option<bool> {
    let output = process::Command::new(programs::program("mokutil")?)
        .arg("--test-key")
        .arg(certificate)
        .output()
        .ok()?;
    // Its exit status is 1 if it is enrolled, and if something is wrong.
    let text = String::from_utf8_lossy(&output.stdout);
    match (
        text.contains("is already enrolled"),
        text.contains("is not enrolled"),
    ) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

/// Whether Secure Boot is on: four bytes of attributes, then 1.
///
/// # Errors
/// If the firmware's variable is something else.
pub fn is_secure(sysroot: &Sysroot) -> Result<bool> {
    const FILE: &str = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    let path = sysroot.path(FILE);
    let bytes = match fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        bytes => bytes.with_context(|| path.display().to_string())?,
    };
    match bytes[..] {
        [_, _, _, _, on @ (0 | 1)] => Ok(on == 1),
        _ => {
            let text = String::from_utf8_lossy(&bytes);
            Err(garbage(&path, &text, &"four bytes and a 0 or 1 are wanted"))
        }
    }
}
