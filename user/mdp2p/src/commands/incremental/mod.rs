// SPDX-License-Identifier: GPL-2.0
//! `mdp2p incremental`: what udev calls, instead of `mdadm --incremental`, for a member of an array
//! that is enrolled or that md-p2p runs.
//!
//! The array comes up under md-p2p. If md-p2p cannot be loaded, it comes up under the kernel's md:
//! an array without P2P is better than none.
//!
//! Tests: tests/contract.rs, and the scenario incremental.sh.

mod export;
pub mod member;
mod place;

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use mdp2p_machine::block::device::BlockDevice;
use mdp2p_machine::kernel::modules::{self, Mode};
use mdp2p_machine::md::array::{self, Array, Driver};
use mdp2p_machine::md::uuid::{self, Uuid};
use mdp2p_machine::programs::program;
use mdp2p_machine::sysroot::Sysroot;
use nix::fcntl::{Flock, FlockArg};

use self::export::export;
use self::member::Member;
use self::place::{Place, STATE, is_unsafe};
use crate::command::Command;
use crate::control::enrolled::Enrolled;
use crate::control::{mdadm, privilege};

/// `mdp2p incremental`
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  mdp2p incremental /dev/nvme0n1")]
pub struct Incremental {
    /// Member that has appeared
    #[arg(required_unless_present_any = ["runs", "export"])]
    pub device: Option<PathBuf>,
    /// Remove the member from its array, because it has gone
    #[arg(long)]
    pub fail: bool,
    /// Tell by the exit status whether md-p2p runs the array of this UUID beside the kernel's md
    #[arg(long, value_name = "UUID", conflicts_with_all = ["device", "fail"])]
    pub runs: Option<Uuid>,
    /// Print, for udev, the UUID and the name of an array of md-p2p beside the kernel's md
    #[arg(long, value_name = "ARRAY", conflicts_with_all = ["device", "fail", "runs"])]
    pub export: Option<String>,
}

impl Command for Incremental {
    fn changes(&self) -> bool {
        true
    }

    /// Adds a member to its array, which starts once all members are present; or removes a member
    /// that has gone. Returns the exit status of mdadm.
    ///
    /// # Errors
    /// Fails if the array of the device is neither enrolled nor run by md-p2p, or if mdadm cannot
    /// be run.
    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        if let Some(uuid) = self.runs {
            return runs(sysroot, uuid);
        }
        if let Some(name) = &self.export {
            return export(sysroot, name);
        }
        privilege::need_root("add members")?;
        let mdadm = mdadm::find()?;
        let device = self.device.as_deref().context("no device is named")?;
        match self.fail {
            true => fail(sysroot, &mdadm, device),
            false => add(sysroot, &mdadm, &node(device)),
        }
    }
}

/// Returns 0 if md-p2p runs the array beside the kernel's md, so that mdadm does not see it; else
/// 1.
fn runs(sysroot: &Sysroot, uuid: Uuid) -> Result<u8> {
    let is_ours = modules::mode(sysroot) == Some(Mode::Beside)
        && uuid::find_array(sysroot, uuid)?.is_some_and(|array| array.driver == Driver::MdP2p);
    Ok(u8::from(!is_ours))
}

/// Returns the node of a device, of which systemd knows the name in sysfs only: there a `!` stands
/// for a `/`, and in the name of a unit `\x21` for a `!`.
fn node(device: &Path) -> PathBuf {
    let path = device.to_string_lossy();
    path.replace(r"\x21", "!").replace('!', "/").into()
}

fn add(sysroot: &Sysroot, mdadm: &Path, device: &Path) -> Result<u8> {
    let member = Member::of(mdadm, device)?;
    // Two members that appear at the same time must end up in the same array.
    let _lock = lock(sysroot)?;
    let array = find_array(sysroot, mdadm, member.uuid)?;
    let place = match (array, Enrolled::find_tolerant(sysroot, member.uuid)) {
        // Another process was faster, such as the initramfs; it did not wait for missing members.
        (Some(array), _) if has_member(sysroot, &array, device)? => {
            if array.state == "inactive" {
                wait_for_more(sysroot, &Place::of(array))?;
            }
            return Ok(0);
        }
        (Some(array), _) => Place::of(array),
        (None, Some(enrolled)) => Place::choose(sysroot, &enrolled, member.level)?,
        (None, None) => bail!(
            "{} is a member of the array {}, which is not enrolled",
            device.display(),
            member.uuid
        ),
    };
    let config = place.write(sysroot, member.uuid)?;
    let arguments: [OsString; 4] = [
        "--incremental".into(),
        "--export".into(),
        config,
        device.into(),
    ];
    let (status, output) = place.mdadm(sysroot, mdadm, &arguments)?;
    if is_unsafe(&output) {
        wait_for_more(sysroot, &place)?;
    }
    Ok(status)
}

/// Removes a member from its array. `device` is the name that the kernel gave it; the device is
/// gone.
fn fail(sysroot: &Sysroot, mdadm: &Path, device: &Path) -> Result<u8> {
    let name = device.file_name().unwrap_or_default().to_string_lossy();
    let is_member = |array: &Array| array.members.iter().any(|member| member.name == name);
    let Some(array) = array::all(sysroot)?.into_iter().find(is_member) else {
        return Ok(0);
    };
    let arguments = ["--incremental", "--fail", &name].map(OsString::from);
    let (status, _) = Place::of(array).mdadm(sysroot, mdadm, &arguments)?;
    Ok(status)
}

fn lock(sysroot: &Sysroot) -> Result<Flock<File>> {
    let folder = sysroot.path(STATE);
    let path = folder.join("lock");
    let open = || {
        fs::create_dir_all(&folder)?;
        File::create(&path)
    };
    let file = open().with_context(|| path.display().to_string())?;
    Flock::lock(file, FlockArg::LockExclusive)
        .map_err(|(_, errno)| anyhow!("{}: {}", path.display(), errno.desc()))
}

/// Finds the array, whichever driver has it: it runs, or members were added to it.
fn find_array(sysroot: &Sysroot, mdadm: &Path, uuid: Uuid) -> Result<Option<Array>> {
    if let Some(array) = uuid::find_array(sysroot, uuid)? {
        return Ok(Some(array));
    }
    // An array that does not run has no UUID in sysfs, but its members do.
    let is_it = |array: &Array| {
        let mut members = array.members.iter();
        let of = |name: &str| Member::of(mdadm, &sysroot.path("dev").join(name));
        array.state == "inactive"
            && members.any(|member| of(&member.name).is_ok_and(|member| member.uuid == uuid))
    };
    Ok(array::all(sysroot)?.into_iter().find(is_it))
}

fn has_member(sysroot: &Sysroot, array: &Array, device: &Path) -> Result<bool> {
    let device = BlockDevice::find(sysroot, device)?;
    Ok(array
        .members
        .iter()
        .any(|member| member.name == device.name))
}

/// Makes systemd start the array as it is, if no further member appears for a while. Without
/// systemd, in an initramfs, a script of packaging/system does this.
fn wait_for_more(sysroot: &Sysroot, place: &Place) -> Result<()> {
    if !sysroot.has("run/systemd/system") {
        return Ok(());
    }
    let unit = match place.driver {
        Driver::MdP2p => "md-p2p-last-resort",
        Driver::Md => "mdadm-last-resort",
    };
    let systemctl = program("systemctl").context("systemctl is not found")?;
    let timer = format!("{unit}@{}.timer", place.name);
    let status = process::Command::new(systemctl)
        .args(["--no-block", "start", &timer])
        .status()
        .context("systemctl")?;
    if !status.success() {
        bail!("systemctl start {timer} failed with {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_in_a_name_comes_back() {
        for (path, expected) in [
            ("/dev/nvme0n1", "/dev/nvme0n1"),
            ("/dev/dm-0", "/dev/dm-0"),
            (r"/dev/etherd\x21e0.0", "/dev/etherd/e0.0"),
            ("/dev/cciss!c0d0p1", "/dev/cciss/c0d0p1"),
        ] {
            assert_eq!(node(Path::new(path)), Path::new(expected));
        }
    }
}
