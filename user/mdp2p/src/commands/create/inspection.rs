// SPDX-License-Identifier: GPL-2.0
//! Inspects the devices of a plan, and refuses those that are in use or hold something.
//!
//! Tests: tests/create.rs, and below.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mdp2p_machine::block::contents::Contents;
use mdp2p_machine::block::device::{self, BlockDevice, Findings};
use mdp2p_machine::programs;
use mdp2p_machine::sysroot::Sysroot;

use super::plan::Plan;
use super::print::indented;

/// Inspects each device of the plan.
pub fn inspect(sysroot: &Sysroot, plan: &Plan, blkid: Option<&Path>) -> Result<Vec<Findings>> {
    plan.overwritten()
        .into_iter()
        .map(|device| device::inspect(sysroot, device, blkid))
        .collect()
}

/// Inspects the devices once more, right before mdadm takes them. While the plan was read, somebody
/// may have made a filesystem.
///
/// A gap remains from here until mdadm opens each device. mdadm opens it exclusively (`O_EXCL`), so
/// it fails if the device is in use by then. Only data that was written and released within the gap
/// would be lost. The plan holds nodes without symbolic links, so no link can be redirected.
pub fn inspect_again(
    sysroot: &Sysroot,
    plan: &Plan,
    blkid: Option<&Path>,
    overwrite: &[String],
) -> Result<()> {
    for device in plan.overwritten() {
        let now = BlockDevice::find(sysroot, &device.node)?;
        if now.number != device.number || now.bytes != device.bytes {
            bail!(
                "{} is now another device; nothing was changed",
                device.node.display()
            );
        }
    }
    refuse(plan, &inspect(sysroot, plan, blkid)?, overwrite, true)
}

/// Returns the numbers of the devices that `--overwrite` names.
pub fn allowed_to_overwrite(
    sysroot: &Sysroot,
    plan: &Plan,
    paths: &[PathBuf],
) -> Result<Vec<String>> {
    let number = |path: &PathBuf| {
        let wanted = BlockDevice::find(sysroot, path).context("--overwrite")?;
        let is_it = |device: &&BlockDevice| device.number == wanted.number;
        match plan.overwritten().into_iter().find(is_it) {
            Some(device) => Ok(device.number.clone()),
            None => bail!("--overwrite {}: not a device of the array", path.display()),
        }
    };
    paths.iter().map(number).collect()
}

/// Refuses the plan if a device must not be taken.
///
/// # Errors
/// Names all devices that must not be taken, and says what can be done.
pub fn refuse(
    plan: &Plan,
    findings: &[Findings],
    overwrite: &[String],
    unknown_matters: bool,
) -> Result<()> {
    let reasons = refusals(&plan.overwritten(), findings, overwrite, unknown_matters);
    if !reasons.is_empty() {
        bail!("nothing was changed, because\n{}", indented(&reasons));
    }
    Ok(())
}

/// Lists why devices must not be taken. A device that is in use is always refused. A device that
/// holds something is refused unless it is in `overwrite`; so is, if `unknown_matters`, a device
/// that could not be inspected.
fn refusals(
    devices: &[&BlockDevice],
    findings: &[Findings],
    overwrite: &[String],
    unknown_matters: bool,
) -> Vec<String> {
    let mut reasons = Vec::new();
    for (device, found) in devices.iter().zip(findings) {
        reasons.extend(
            found
                .users
                .iter()
                .map(|user| format!("{user}: a device in use is never taken")),
        );
        if overwrite.contains(&device.number) {
            continue;
        }
        let node = programs::command_line([&device.node]);
        match &found.contents {
            Contents::Something(what) => reasons.push(format!(
                "{} holds {what}: `--overwrite {node}` takes it anyway, and its contents are \
                 lost",
                device.name
            )),
            Contents::Unknown(why) if unknown_matters => reasons.push(format!(
                "it is not known what {} holds ({why}): `--overwrite {node}` takes it anyway, \
                 and its contents are lost",
                device.name
            )),
            Contents::Unknown(_) | Contents::Nothing => {}
        }
    }
    reasons
}

#[cfg(test)]
mod tests {
    use mdp2p_machine::testing::device;

    use super::*;

    fn refusals_of(users: &[&str], contents: Contents, overwrite: &[&str], strict: bool) -> String {
        let device = device("nvme0n1", "259:0");
        let users = users.iter().map(|&user| user.to_owned()).collect();
        let overwrite: Vec<String> = overwrite.iter().map(|&it| it.to_owned()).collect();
        let findings = [Findings { users, contents }];
        refusals(&[&device], &findings, &overwrite, strict).join("\n")
    }

    #[test]
    fn what_is_in_use_is_refused_even_if_it_may_be_overwritten() {
        let user = ["nvme0n1 is mounted on /"];
        for overwrite in [&[][..], &["259:0"][..]] {
            for strict in [true, false] {
                let text = refusals_of(&user, Contents::Nothing, overwrite, strict);
                assert_eq!(
                    text,
                    "nvme0n1 is mounted on /: a device in use is never taken"
                );
            }
        }
    }

    #[test]
    fn what_holds_something_is_taken_only_by_name() {
        let ext4 = || Contents::Something("ext4".into());
        for strict in [true, false] {
            let text = refusals_of(&[], ext4(), &[], strict);
            assert!(
                text.contains("holds ext4: `--overwrite /dev/nvme0n1`"),
                "{text}"
            );
            let of_another = refusals_of(&[], ext4(), &["259:1"], strict);
            assert_eq!(of_another, text);
            assert_eq!(refusals_of(&[], ext4(), &["259:0"], strict), "");
        }
        assert_eq!(refusals_of(&[], Contents::Nothing, &[], true), "");
    }

    #[test]
    fn what_could_not_be_looked_at_is_taken_only_by_name() {
        let unknown = || Contents::Unknown("no blkid".into());
        let text = refusals_of(&[], unknown(), &[], true);
        assert!(text.contains("(no blkid)"), "{text}");
        assert_eq!(refusals_of(&[], unknown(), &["259:0"], true), "");
        // A plan may be shown to a user who may not open the devices.
        assert_eq!(refusals_of(&[], unknown(), &[], false), "");
    }
}
