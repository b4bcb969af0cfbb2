// SPDX-License-Identifier: GPL-2.0
//! Finds out what an array and its partitions are used for.

use anyhow::{Result, bail};

use mdp2p_machine::block::users;
use mdp2p_machine::md::array::Array;
use mdp2p_machine::md::uses;
use mdp2p_machine::sysroot::Sysroot;

/// Returns the known uses of an array, its partitions, and what is built on them: `mounted on /data`.
///
/// # Errors
/// If sysfs or procfs cannot be read.
pub fn of(sysroot: &Sysroot, array: &Array) -> Result<Vec<String>> {
    let sentence = |(name, used): (String, users::Use)| match name == array.name {
        true => used.to_string(),
        false => format!("{name} is {used}"),
    };
    let uses = uses::of(sysroot, array)?;
    Ok(uses.into_iter().map(sentence).collect())
}

/// Fails unless the filesystem with this device number lies on the array.
pub(super) fn check_is_on_array(
    sysroot: &Sysroot,
    array: &Array,
    device: (u64, u64),
) -> Result<()> {
    let mounts = users::mounts(sysroot)?;
    let mut on_array = Vec::new();
    for name in users::family(sysroot, &array.name)? {
        let number = users::number(sysroot, &name)?;
        if number == device {
            return Ok(());
        }
        on_array.extend(mounts.iter().filter(|m| m.is_on(&name, number)));
    }
    if on_array.iter().any(|mount| mount.device == device) {
        return Ok(());
    }
    let (major, minor) = device;
    let there = sysroot
        .link(format!("sys/dev/block/{major}:{minor}"))
        .or_else(|| {
            let mount = mounts.iter().find(|mount| mount.device == device)?;
            Some(mount.source.clone())
        })
        .unwrap_or_else(|| format!("device {major}:{minor}"));
    let name = &array.name;
    match on_array.first() {
        Some(mount) => bail!(
            "it is on {there}, not on {name}, which is mounted on {}",
            mount.at
        ),
        None => bail!("it is on {there}, not on {name}, which is not mounted"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{array, machine, write};
    use super::*;

    #[test]
    fn the_uses_of_an_array_are_found() {
        let (_folder, sysroot) = machine();
        let array = array(1 << 20, 0, 2);
        let uses = || of(&sysroot, &array).expect("a use");
        assert_eq!(uses(), [] as [&str; 0]);
        let mounted = "36 1 9:0 / /mnt/my\\040data rw shared:1 - ext4 /dev/md0 rw\n\
                       37 1 0:44 / /btrfs rw - btrfs /dev/md0p1 rw\n\
                       38 1 8:1 / / rw - ext4 /dev/sda1 rw\n";
        write(&sysroot, "proc/self/mountinfo", mounted);
        assert_eq!(
            uses(),
            ["mounted on /mnt/my data", "md0p1 is mounted on /btrfs"]
        );
        write(&sysroot, "proc/self/mountinfo", "");
        write(
            &sysroot,
            "proc/swaps",
            "Filename\n/dev/md0p1 partition 1 0 -2\n",
        );
        assert_eq!(uses(), ["md0p1 is swap"]);
        write(&sysroot, "proc/swaps", "Filename\n");
        write(&sysroot, "sys/class/block/md0/holders/dm-0", "");
    }
}
