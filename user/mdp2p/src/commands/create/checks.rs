// SPDX-License-Identifier: GPL-2.0
//! Refuses arrays that cannot be made: names, numbers, members, journals and providers.
//!
//! Tests: tests/create.rs, and below.

use anyhow::{Result, bail};
use md_p2p_decide::route::Spread;
use mdp2p_machine::block::device::BlockDevice;
use mdp2p_machine::md::array::Driver;
use mdp2p_machine::md::level::Level;
use mdp2p_machine::md::name::find_by_node;
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::sysroot::Sysroot;

use super::forecaster::spread;
use super::options::Create;
use crate::control::moving;
use crate::control::setting::{self, ProviderValue};
use crate::ui;

/// The minimum size of a member: it holds a superblock, a bitmap and at least one chunk.
const SMALLEST: u64 = 4 << 20;

/// Checks that the name is free. An array that never ran does not hold its name: only its node was
/// opened.
pub fn check_name(sysroot: &Sysroot, node: &str) -> Result<()> {
    let Some(array) = find_by_node(sysroot, node)? else {
        return Ok(());
    };
    let name = &array.name;
    match array.driver {
        Driver::Md => bail!(
            "{node} is taken: {name} is an array of the kernel's md; choose another name ({})",
            moving::pointer(name)
        ),
        Driver::MdP2p if !matches!(array.state.as_str(), "" | "clear") => bail!(
            "{node} is taken: the array {name} is {}; choose another name, or stop it with \
             `mdp2p stop {name}`",
            array.state
        ),
        Driver::MdP2p => Ok(()),
    }
}

pub fn check_numbers(
    level: Level,
    members: &[Option<BlockDevice>],
    spares: usize,
    options: &Create,
    force: bool,
) -> Result<()> {
    let named = members.len();
    let wanted = options.raid_devices.map_or(named, |number| {
        usize::try_from(number).unwrap_or(usize::MAX)
    });
    let (least, missing_at_most) = level.bounds();
    let missing = members.iter().filter(|member| member.is_none()).count();
    if wanted > named {
        bail!(
            "--raid-devices {wanted}: {named} members are named; name more, or write `missing` \
             for those that you will add later"
        );
    }
    if wanted < named {
        bail!(
            "--raid-devices {wanted}: {named} members are named; make the others spares with --spare"
        );
    }
    if missing == named {
        bail!("all members are missing: at least one must be present");
    }
    // With --force mdadm accepts an array of one member.
    let one_is_meant = named == 1 && level.number() < 4 && force;
    if named < least && !one_is_meant {
        bail!(
            "{level} needs at least {least} members, but {named} {} named{}",
            if named == 1 { "is" } else { "are" },
            if level.number() < 2 {
                "; mdadm accepts one with `-- --force`"
            } else {
                ""
            }
        );
    }
    if missing > missing_at_most {
        bail!(
            "{missing} of {named} members {} missing, but {level} needs all{}",
            if missing == 1 { "is" } else { "are" },
            match missing_at_most {
                0 => " of them".into(),
                some => format!(" but {some}"),
            }
        );
    }
    if spares > 0 && !level.is_redundant() {
        bail!("--spare: {level} has no redundancy, so there is nothing that a spare could replace");
    }
    Ok(())
}

/// Checks that all data has a copy on a member that is present.
pub fn check_copies(copies: &[Vec<usize>], members: &[Option<BlockDevice>]) -> Result<()> {
    let is_lost = |set: &&Vec<usize>| set.iter().all(|&slot| members[slot].is_none());
    match copies.iter().find(is_lost) {
        Some(set) => bail!(
            "members {} are missing, but only they have copies of some of the data",
            ui::list(set)
        ),
        None => Ok(()),
    }
}

pub fn check_journal(level: Level, journal: Option<&BlockDevice>) -> Result<()> {
    if journal.is_some() && spread(level) != Spread::Cached {
        bail!("--write-journal: {level} cannot have a journal; raid4, raid5 and raid6 can");
    }
    Ok(())
}

pub fn check_devices(devices: &[&BlockDevice]) -> Result<()> {
    for (index, device) in devices.iter().enumerate() {
        let node = device.node.display();
        if devices[..index]
            .iter()
            .any(|other| other.number == device.number || other.node == device.node)
        {
            bail!("{node} is named twice");
        }
        if let Some(disk) = &device.disk {
            if devices.iter().any(|other| other.name == *disk) {
                bail!("{node} is a partition of {disk}, which is named too");
            }
        }
        if device.read_only {
            bail!("{node} is read-only");
        }
        if device.bytes < SMALLEST {
            bail!(
                "{node} is too small: it has {}, but a member needs {}",
                ui::bytes(device.bytes),
                ui::bytes(SMALLEST)
            );
        }
    }
    Ok(())
}

pub fn check_provider(
    sysroot: &Sysroot,
    there: &[Bdf],
    wanted: Option<ProviderValue>,
) -> Result<()> {
    match wanted {
        Some(ProviderValue::At(address)) if !there.contains(&address) => bail!(
            "--provider {address}: this device lends no memory; {}",
            setting::describe_lenders(sysroot)
        ),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use mdp2p_machine::testing::device;

    use super::*;

    #[test]
    fn a_device_is_the_same_by_number_whatever_its_node() {
        let one = device("nvme0n1", "259:0");
        let other = device("nvme1n1", "259:1");
        let node = device("copy", "259:0");
        assert!(check_devices(&[&one, &other]).is_ok());
        let error = check_devices(&[&one, &other, &node]).expect_err("the same");
        assert_eq!(error.to_string(), "/dev/copy is named twice");
    }
}
