// SPDX-License-Identifier: GPL-2.0
//! The kernels of a machine: their releases, and the folders of their modules and headers.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::sysroot::{Sysroot, garbage};

/// Parses the release of a kernel, as `uname -r` prints it. The release becomes a part of paths.
///
/// # Errors
/// Fails if the text cannot be a release.
pub fn parse(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._+~-".contains(c);
    match text.chars().next() {
        Some(first) if first.is_ascii_alphanumeric() && text.chars().all(is_plain) => {
            Ok(text.to_owned())
        }
        _ => Err("the release of a kernel looks like 7.3.4+deb13-amd64 (uname -r)".into()),
    }
}

/// Returns the release of the running kernel.
///
/// # Errors
/// Fails if the machine does not say it.
pub fn running(sysroot: &Sysroot) -> Result<String> {
    const FILE: &str = "proc/sys/kernel/osrelease";
    let text = sysroot.read(FILE)?;
    parse(&text).map_err(|why| garbage(&sysroot.path(FILE), &text, &why))
}

/// Returns the release of the kernel that was named, or of the running kernel if none was.
///
/// # Errors
/// Lists the kernels if none has this name.
pub fn find(sysroot: &Sysroot, named: Option<&str>) -> Result<String> {
    let Some(release) = named else {
        return running(sysroot);
    };
    let folder = folder(sysroot, release);
    if !sysroot.has_folder(&folder) {
        let all = sysroot.names(folder.parent().unwrap_or(&folder))?;
        bail!(
            "there is no kernel {release}: there is no folder {}; the kernels are: {}",
            display(&folder),
            match &all[..] {
                [] => "none".into(),
                all => all.join(", "),
            }
        );
    }
    Ok(release.to_owned())
}

/// Returns the folder of a kernel's modules, below the root.
pub fn folder(sysroot: &Sysroot, release: &str) -> PathBuf {
    let new = PathBuf::from(format!("usr/lib/modules/{release}"));
    let usual = PathBuf::from(format!("lib/modules/{release}"));
    match !sysroot.has(&usual) && sysroot.has(&new) {
        true => new,
        false => usual,
    }
}

/// Returns the folder of a kernel's headers, below the root; `None` if they are not installed.
pub fn headers(sysroot: &Sysroot, release: &str) -> Option<PathBuf> {
    let build = folder(sysroot, release).join("build");
    // A link that begins with / is relative to the root of the other machine.
    let absolute = sysroot
        .target(&build)
        .and_then(|target| target.strip_prefix("/").map(Path::to_owned).ok());
    let headers = absolute.unwrap_or(build);
    sysroot.has(headers.join(".config")).then_some(headers)
}

/// Writes a path below the root as it is on that machine.
pub fn display(path: &Path) -> String {
    Path::new("/").join(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_release_stays_within_its_folder() {
        for text in ["7.3.4+deb13-amd64", "6.12.0-1_rc1~x"] {
            assert_eq!(parse(text), Ok(text.to_owned()));
        }
        for text in ["", "..", "../x", "7.3/x", "7.3 x", "-v", "7.3\n", "7;rm"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn folders_are_found_below_the_root() {
        let root = tempfile::tempdir().expect("a folder");
        let headers_at = root.path().join("usr/src/linux-headers-7.3");
        let modules = root.path().join("usr/lib/modules/7.3");
        for folder in [&root.path().join("sys"), &headers_at, &modules] {
            fs::create_dir_all(folder).expect("a folder");
        }
        fs::write(headers_at.join(".config"), "").expect("a file");
        let link = "/usr/src/linux-headers-7.3";
        std::os::unix::fs::symlink(link, modules.join("build")).expect("a link");
        let sysroot = Sysroot::at(root.path()).expect("a host");
        assert_eq!(folder(&sysroot, "7.3"), Path::new("usr/lib/modules/7.3"));
        let headers = headers(&sysroot, "7.3").expect("they are there");
        assert_eq!(display(&headers), link);
    }
}
