// SPDX-License-Identifier: GPL-2.0
//! Looks up the names of PCI devices in the list that `lspci` uses.

use std::collections::{BTreeMap, BTreeSet};

use crate::sysroot::Sysroot;

/// The numbers of vendor and device.
pub type Id = (u16, u16);

/// The files where distributions have the list.
const LISTS: [&str; 2] = ["usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids"];

/// Returns the names of the devices in `wanted` that are in the list. It is no error if the list
/// cannot be read, because names are only a help.
pub fn find(sysroot: &Sysroot, wanted: &BTreeSet<Id>) -> BTreeMap<Id, String> {
    if wanted.is_empty() {
        return BTreeMap::new();
    }
    let text = LISTS
        .iter()
        .find_map(|list| sysroot.lines_if(list).ok().flatten());
    parse(&text.unwrap_or_default(), wanted)
}

/// Parses the list. It has a line `VENDOR  NAME`, and below that a line for each device that begins
/// with a tab; lines of subsystems begin with two. Lines of classes, which begin with `C`, follow.
fn parse(text: &str, wanted: &BTreeSet<Id>) -> BTreeMap<Id, String> {
    let vendors: BTreeSet<u16> = wanted.iter().map(|&(vendor, _)| vendor).collect();
    let mut names = BTreeMap::new();
    let mut vendor = None;
    for line in text.lines() {
        if line.starts_with('#') {
            continue;
        }
        let Some(device) = line.strip_prefix('\t') else {
            vendor = entry(line).filter(|(id, _)| vendors.contains(id));
            continue;
        };
        let Some((vendor, vendor_name)) = vendor else {
            continue;
        };
        if let Some((device, name)) = entry(device) {
            if wanted.contains(&(vendor, device)) {
                let name = format!("{} {}", short_vendor(vendor_name), short_name(name));
                names.insert((vendor, device), name);
            }
        }
    }
    names
}

/// Splits a line into number and name.
fn entry(line: &str) -> Option<(u16, &str)> {
    let (id, name) = line.split_once("  ")?;
    let id = u16::from_str_radix(id, 16).ok()?;
    Some((id, name.trim()))
}

/// Returns the name that people know, which may be in brackets: `GA100 [A100 PCIe 80GB]`.
fn short_name(name: &str) -> &str {
    let inner = name
        .strip_suffix(']')
        .and_then(|name| name.rsplit_once('['))
        .map(|(_, inner)| inner.trim());
    inner.filter(|inner| !inner.is_empty()).unwrap_or(name)
}

/// Shortens `Advanced Micro Devices, Inc. [AMD/ATI]` or `Intel Corporation`.
fn short_vendor(name: &str) -> &str {
    let bare = short_name(name);
    let bare = bare.split_once(',').map_or(bare, |(bare, _)| bare);
    bare.strip_suffix(" Corporation").unwrap_or(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
# a comment
1002  Advanced Micro Devices, Inc. [AMD/ATI]
\t66a1  Vega 20 [Radeon Pro VII/Radeon Instinct MI50 32GB]
\t\t1002 0834  Radeon Instinct MI50
10de  NVIDIA Corporation
\t20b5  GA100 [A100 PCIe 80GB]
8086  Intel Corporation
\t29c0  82G33/G31/P35/P31 Express DRAM Controller
C 03  Display controller
\t00  VGA compatible controller
";

    #[test]
    fn names_are_those_that_people_know() {
        let wanted = BTreeSet::from([(0x1002, 0x66a1), (0x10de, 0x20b5), (0x8086, 0x29c0)]);
        let names = parse(LIST, &wanted);
        let texts: Vec<&str> = names.values().map(String::as_str).collect();
        assert_eq!(
            texts,
            [
                "AMD/ATI Radeon Pro VII/Radeon Instinct MI50 32GB",
                "NVIDIA A100 PCIe 80GB",
                "Intel 82G33/G31/P35/P31 Express DRAM Controller"
            ]
        );
    }

    #[test]
    fn what_is_no_list_has_no_names() {
        let wanted = BTreeSet::from([(0x10de, 0x20b5), (0, 0)]);
        for text in [
            "",
            "\t20b5  A device of no vendor",
            "10de\n\t20b5",
            "\0\u{7f}",
        ] {
            assert!(parse(text, &wanted).is_empty(), "{text:?}");
        }
        let other = parse(LIST, &BTreeSet::from([(0x1002, 0x20b5)]));
        assert!(other.is_empty(), "another vendor's device: {other:?}");
    }
}
