// SPDX-License-Identifier: GPL-2.0
//! The kernels and processors that md-p2p supports.

use anyhow::Result;

use crate::sysroot::Sysroot;

/// The oldest kernel whose MD the rules of kbuild/ fit.
pub const OLDEST: (u32, u32) = (7, 2);

/// The only processor architecture, as `uname -m` prints it.
pub const ARCHITECTURE: &str = "x86_64";

/// Returns version and patch level of a release; `None` if it does not begin with them.
pub fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    let version = numbers.next()?.parse().ok()?;
    Some((version, numbers.next()?.parse().ok()?))
}

/// Returns the processor architecture of a machine, as `uname -m` prints it, or as far as
/// `/proc/cpuinfo` tells; `None` if it does not tell.
///
/// # Errors
/// If a file is there and cannot be read.
pub fn architecture(sysroot: &Sysroot) -> Result<Option<String>> {
    if let Some(name) = sysroot.read_if("proc/sys/kernel/arch")? {
        return Ok(Some(name));
    }
    let processor = sysroot.lines_if("proc/cpuinfo")?.unwrap_or_default();
    let has = |key: &str| {
        let mut keys = processor.lines().filter_map(|line| line.split_once(':'));
        keys.any(|(name, _)| name.trim_end() == key)
    };
    // Each architecture writes lines of its own.
    let known = [
        ("flags", ARCHITECTURE),
        ("CPU implementer", "ARM"),
        ("hart", "RISC-V"),
        ("cpu model", "MIPS"),
        ("CPU Family", "LoongArch"),
        ("timebase", "POWER"),
    ];
    let found = known.iter().find(|(key, _)| has(key));
    Ok(found.map(|(_, name)| (*name).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::put;

    #[test]
    fn a_release_begins_with_its_version() {
        for (release, expected) in [
            ("7.3.4+deb13-amd64", Some((7, 3))),
            ("7.3-rc7-amd64", Some((7, 3))),
            ("7.2-amd64", Some((7, 2))),
            ("10.0.0", Some((10, 0))),
            ("7", None),
            ("x", None),
        ] {
            assert_eq!(version(release), expected, "{release}");
        }
    }

    #[test]
    fn the_architecture_is_told_or_seen_or_unknown() {
        for (file, text, expected) in [
            ("proc/sys/kernel/arch", "aarch64\n", Some("aarch64")),
            ("proc/cpuinfo", "flags\t\t: fpu lm\n", Some("x86_64")),
            ("proc/cpuinfo", "CPU implementer\t: 0x41\n", Some("ARM")),
            ("proc/cpuinfo", "processor\t: 0\n", None),
            ("proc/other", "", None),
        ] {
            let root = tempfile::tempdir().expect("a folder");
            put(root.path(), "sys/x", "");
            put(root.path(), file, text);
            let sysroot = Sysroot::at(root.path()).expect("a host");
            let found = architecture(&sysroot).expect("files that can be read");
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }
}
