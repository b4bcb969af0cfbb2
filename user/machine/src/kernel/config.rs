// SPDX-License-Identifier: GPL-2.0
//! Reads the options that a kernel was configured with.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::read::GzDecoder;

use super::release::{folder, headers, running};
use crate::sysroot::{Sysroot, bounded, garbage};
use crate::text::shown_columns;

/// The options that a kernel was configured with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file that has the options, below the root.
    pub file: PathBuf,
    text: String,
}

impl Options {
    /// Reads the options of a kernel; `None` if there is no file with them.
    ///
    /// # Errors
    /// Fails if the file cannot be read, or holds something else.
    pub fn read(sysroot: &Sysroot, release: &str) -> Result<Option<Self>> {
        let modules = folder(sysroot, release);
        let mut places = vec![
            PathBuf::from(format!("boot/config-{release}")),
            modules.join("config"),
        ];
        places.extend(headers(sysroot, release).map(|headers| headers.join(".config")));
        for file in places {
            if let Some(text) = sysroot.lines_if(&file)? {
                return Self::of(sysroot, file, text).map(Some);
            }
        }
        let packed = PathBuf::from("proc/config.gz");
        if !sysroot.has(&packed) || running(sysroot)? != release {
            return Ok(None);
        }
        let text = gunzip(sysroot, &packed)?;
        Self::of(sysroot, packed, text).map(Some)
    }

    fn of(sysroot: &Sysroot, file: PathBuf, text: String) -> Result<Self> {
        if !text.lines().any(|line| line.starts_with("CONFIG_")) {
            let why = "expected lines like CONFIG_PCI=y";
            return Err(garbage(&sysroot.path(file), &text, &why));
        }
        Ok(Self { file, text })
    }

    /// Returns the value of an option, without quotes; `None` if it is off. `name` does not have
    /// the prefix `CONFIG_`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.text.lines().find_map(|line| {
            let (key, value) = line.strip_prefix("CONFIG_")?.split_once('=')?;
            (key == name).then(|| value.trim_matches('"'))
        })
    }
}

fn gunzip(sysroot: &Sysroot, path: &Path) -> Result<String> {
    let bytes = sysroot
        .file(path)
        .and_then(|file| bounded(GzDecoder::new(file)));
    let bytes = bytes.with_context(|| sysroot.path(path).display().to_string())?;
    Ok(shown_columns(&String::from_utf8_lossy(&bytes)).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_have_values_without_quotes() {
        let options = Options {
            file: PathBuf::new(),
            text: "CONFIG_RUST=y\n# CONFIG_MD_LINEAR is not set\nCONFIG_HASH=\"sha256\"\n".into(),
        };
        assert_eq!(options.get("RUST"), Some("y"));
        assert_eq!(options.get("HASH"), Some("sha256"));
        assert_eq!(options.get("MD_LINEAR"), None);
        assert_eq!(options.get("RUS"), None);
    }
}
