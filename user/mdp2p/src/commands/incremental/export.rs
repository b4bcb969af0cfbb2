// SPDX-License-Identifier: GPL-2.0
//! Tells udev about an array that mdadm does not see.
//!
//! Tests: below.

use std::io::Write;

use anyhow::Result;
use mdp2p_machine::md::uuid::{self, Uuid};
use mdp2p_machine::sysroot::Sysroot;

use crate::control::enrolled;
use crate::control::mdadm::notes::{MAP, OUR_MAP};
use crate::ui;

/// Prints what `mdadm --detail --export` would print. mdadm prints it only for arrays that it sees
/// and that are in its own map.
pub fn export(sysroot: &Sysroot, name: &str) -> Result<u8> {
    let Some(uuid) = uuid::of_array(sysroot, name)? else {
        return Ok(0);
    };
    let mut out = ui::out();
    // Without superblocks the UUID is a new one each time.
    if sysroot.read(format!("sys/block/{name}/md/metadata_version"))? != "none" {
        writeln!(out, "MD_UUID={}", uuid.to_mdadm())?;
    }
    if let Some(alias) = alias(sysroot, name, uuid)? {
        writeln!(out, "MD_DEVNAME={alias}")?;
    }
    Ok(0)
}

/// Finds the name in `/dev/md` that mdadm gave an array. Its map has a line for each array: `md511
/// 1.2 UUID /dev/md/data`. The UUID is zeros if the array has no superblocks.
fn alias(sysroot: &Sysroot, name: &str, uuid: Uuid) -> Result<Option<String>> {
    // The second map was written while md-p2p was alone, or is the only one.
    let maps = [OUR_MAP, MAP].map(|map| sysroot.lines_if(map));
    let maps = maps.into_iter().collect::<Result<Vec<_>>>()?;
    let uuids = [uuid, Uuid::default()].map(Uuid::to_map);
    let alias = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [array, _, uuid, path] = words[..] else {
            return None;
        };
        let is_it = array == name && uuids.iter().any(|it| it == uuid);
        let alias = path.strip_prefix("/dev/md/")?;
        (is_it && enrolled::is_plain_name(alias)).then(|| alias.to_owned())
    };
    let lines = |map: &Option<String>| map.as_deref().and_then(|map| map.lines().find_map(alias));
    Ok(maps.iter().find_map(lines))
}

#[cfg(test)]
mod tests {
    use mdp2p_machine::testing::put;

    use super::*;

    #[test]
    fn a_name_is_taken_from_the_line_of_that_array_only() {
        let root = tempfile::tempdir().expect("a folder");
        let mdadms = "3a344e36:cc38c2c0:16b6a6ba:3c2c9491";
        let uuid: Uuid = mdadms.parse().expect("a UUID");
        let uuid_of_map = uuid.to_map();
        let map = format!(
            "md9 1.2 {mdadms} /dev/md/old\nmd511 1.2 {uuid_of_map} /dev/md/data\n\
             md4 none 00000000:00000000:00000000:00000000 /dev/md/built\n\
             md0 1.2 {uuid_of_map} /dev/md0\nmd1 1.2 {uuid_of_map} /dev/md/a/b\nmd2 1.2\n\n"
        );
        put(root.path(), "sys/block/x", "");
        put(root.path(), OUR_MAP, &map);
        let theirs =
            format!("md511 1.2 {uuid_of_map} /dev/md/x\nmd3 1.2 {uuid_of_map} /dev/md/y\n");
        put(root.path(), MAP, &theirs);
        let sysroot = Sysroot::at(root.path()).expect("a host");
        let alias = |name: &str| alias(&sysroot, name, uuid).expect("a map");
        assert_eq!(alias("md511").as_deref(), Some("data"));
        assert_eq!(alias("md3").as_deref(), Some("y"));
        assert_eq!(alias("md4").as_deref(), Some("built"));
        for none in ["md9", "md0", "md1", "md2", "md51", ""] {
            assert_eq!(alias(none), None, "{none}");
        }
    }
}
