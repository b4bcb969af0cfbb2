// SPDX-License-Identifier: GPL-2.0
//! Secure Boot: whether it is on, and which keys the firmware has.

use std::io::ErrorKind;
use std::path::Path;
use std::process;

use anyhow::{Context, Result};

use crate::programs;
use crate::sysroot::{Sysroot, garbage};

/// DKMS's own key, which signs every module that DKMS builds.
pub const KEY: &str = "var/lib/dkms/mok.key";

/// The certificate of that key, which the firmware must have.
pub const CERTIFICATE: &str = "var/lib/dkms/mok.pub";

/// Tells whether the firmware has a certificate; `None` if this cannot be learned.
pub fn is_enrolled(certificate: &Path) -> Option<bool> {
    let mut mokutil = process::Command::new(programs::program("mokutil")?);
    // The exit status does not help: it is 1 if the certificate is enrolled, and for errors.
    let text = programs::ask(mokutil.arg("--test-key").arg(certificate))
        .ok()?
        .output;
    match (
        text.contains("is already enrolled"),
        text.contains("is not enrolled"),
    ) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

/// Tells whether Secure Boot is on: the variable has four bytes of attributes, then 1.
///
/// # Errors
/// Fails if the firmware's variable has another form.
pub fn is_secure(sysroot: &Sysroot) -> Result<bool> {
    const FILE: &str = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    let path = sysroot.path(FILE);
    let bytes = match sysroot.bytes(FILE) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        bytes => bytes.with_context(|| path.display().to_string())?,
    };
    match bytes[..] {
        [_, _, _, _, on @ (0 | 1)] => Ok(on == 1),
        _ => {
            let text = String::from_utf8_lossy(&bytes);
            Err(garbage(&path, &text, &"expected four bytes and a 0 or 1"))
        }
    }
}

/// Returns whether the kernel is locked down: `none [integrity] confidentiality`.
///
/// # Errors
/// Fails if the file cannot be read or understood.
pub fn is_locked_down(sysroot: &Sysroot) -> Result<bool> {
    const FILE: &str = "sys/kernel/security/lockdown";
    let Some(text) = sysroot.read_if(FILE)? else {
        return Ok(false);
    };
    let mode = text
        .split_whitespace()
        .find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
    let why = "expected one word in brackets";
    let mode = mode.ok_or_else(|| garbage(&sysroot.path(FILE), &text, &why))?;
    Ok(mode != "none")
}
