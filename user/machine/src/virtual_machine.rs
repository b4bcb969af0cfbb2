// SPDX-License-Identifier: GPL-2.0
//! Recognises virtual machines: figures of speed mean nothing there, and what is direct depends on
//! the host.

use crate::sysroot::Sysroot;

/// Returns the vendor of this virtual machine, or `None` if this seems to be real hardware.
pub fn vendor(sysroot: &Sysroot) -> Option<String> {
    let vendor = sysroot
        .read("sys/class/dmi/id/sys_vendor")
        .unwrap_or_default();
    let processor = sysroot
        .lines_if("proc/cpuinfo")
        .ok()
        .flatten()
        .unwrap_or_default();
    let flags = processor.lines().find(|line| line.starts_with("flags"));
    let flagged = flags.is_some_and(|flags| flags.split_whitespace().any(|f| f == "hypervisor"));
    let known = [
        "QEMU",
        "Bochs",
        "KVM",
        "VMware",
        "innotek",
        "Xen",
        "Parallels",
    ];
    let is_word = |name: &str| {
        let words = vendor.split(|c: char| !c.is_ascii_alphanumeric());
        words.into_iter().any(|word| word == name)
    };
    match known.iter().any(|name| is_word(name)) || flagged {
        true if vendor.is_empty() => Some("unknown".to_owned()),
        true => Some(vendor),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::testing::put;

    fn sysroot(files: &[(&str, &str)]) -> (tempfile::TempDir, Sysroot) {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("sys")).expect("sys");
        for (path, text) in files {
            put(folder.path(), path, text);
        }
        let sysroot = Sysroot::at(folder.path()).expect("a host");
        (folder, sysroot)
    }

    #[test]
    fn a_virtual_machine_is_known_by_its_vendor_or_its_processor() {
        let file = "sys/class/dmi/id/sys_vendor";
        let flagged = "processor\t: 0\nflags\t\t: fpu hypervisor lm\n";
        let real = "processor\t: 0\nflags\t\t: fpu lm\n";
        for (files, expected) in [
            (&[(file, "QEMU\n")][..], Some("QEMU")),
            (&[("proc/cpuinfo", flagged)], Some("unknown")),
            (
                &[(file, "Amazon EC2\n"), ("proc/cpuinfo", flagged)],
                Some("Amazon EC2"),
            ),
            (&[(file, "Supermicro\n"), ("proc/cpuinfo", real)], None),
            (&[], None),
        ] {
            let (_folder, sysroot) = sysroot(files);
            assert_eq!(vendor(&sysroot).as_deref(), expected);
        }
    }
}
