// SPDX-License-Identifier: GPL-2.0
//! `mdp2p incremental`: what udev has done with a member of an array that is enrolled, as
//! `mdadm --incremental` with the others. Under md-p2p, and if that cannot be loaded, under the
//! kernel's md: an array that comes up without P2P is better than one that does not.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use nix::fcntl::{Flock, FlockArg};

use crate::array::{Array, Driver};
use crate::cli::Incremental;
use crate::command::{number, program};
use crate::device::Device;
use crate::enroll::{self, Enrolled, Uuid};
use crate::host::Host;
use crate::mdadm::{self, View};
use crate::plan::Level;

/// What lasts until the next boot.
const STATE: &str = "run/md-p2p";

/// Numbers that nobody is given: where one is taken.
const OTHERS: std::ops::Range<u32> = 128..512;

/// Adds a member to its array, which is started once all are there; mdadm's exit status.
///
/// # Errors
/// If the device is no member of an enrolled array, or mdadm cannot be run.
pub fn run(host: &Host, options: &Incremental) -> Result<u8> {
    mdadm::need_root("add members")?;
    let mdadm = mdadm::find()?;
    let device = &options.device;
    let member = Member::of(&mdadm, device)?;
    let enrolled = enrolled(host, member.uuid)?.with_context(|| {
        format!(
            "{} is a member of the array {}, which is not enrolled",
            device.display(),
            member.uuid
        )
    })?;
    // Two members of an array that come at the same time are to have the same array.
    let _lock = lock(host)?;
    let place = match there(host, enrolled.uuid)? {
        // The initramfs has done it, for one.
        Some(array) if has(host, &array, device)? => return Ok(0),
        Some(Array { name, driver, .. }) => Place { name, driver },
        None => Place::choose(host, &enrolled, member.level)?,
    };
    let config = place.write(host, enrolled.uuid)?;
    let arguments: [OsString; 4] = [
        "--incremental".into(),
        "--export".into(),
        config,
        device.into(),
    ];
    let (status, told) = place.mdadm(host, &mdadm, &arguments)?;
    if is_unsafe(&told) {
        wait_for_more(host, &place)?;
    }
    Ok(status)
}

/// What is known of the array; if that cannot be understood, no more than that it is enrolled:
/// nobody else would put it together.
fn enrolled(host: &Host, uuid: Uuid) -> Result<Option<Enrolled>> {
    Enrolled::find(host, uuid).or_else(|error| {
        eprintln!("mdp2p: {error:#}; it gets any number");
        Ok(Some(Enrolled {
            uuid,
            number: OTHERS.start,
            name: None,
        }))
    })
}

/// What a superblock says.
struct Member {
    uuid: Uuid,
    /// None if it is one that md-p2p has not.
    level: Option<Level>,
}

impl Member {
    fn of(mdadm: &Path, device: &Path) -> Result<Self> {
        let output = Command::new(mdadm)
            .args(["--examine", "--export"])
            .arg(device)
            .stdin(Stdio::null())
            .output()
            .with_context(|| mdadm.display().to_string())?;
        let text = String::from_utf8_lossy(&output.stdout);
        let member = || {
            Some(Self {
                uuid: value(&text, "MD_UUID")?.parse().ok()?,
                level: Level::parse(value(&text, "MD_LEVEL")?).ok(),
            })
        };
        member().ok_or_else(|| {
            let complaint = String::from_utf8_lossy(&output.stderr);
            anyhow!(
                "{} is no member of an array: {}",
                device.display(),
                complaint.trim()
            )
        })
    }
}

/// The value of a `KEY=VALUE` line.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.find(|(it, _)| *it == key).map(|(_, value)| value)
}

/// Whether mdadm has all that the array can do with, but not all that it had: what is missing
/// may still come.
fn is_unsafe(told: &str) -> bool {
    let is_ours = value(told, "MD_FOREIGN") != Some("yes");
    is_ours && value(told, "MD_STARTED").is_some_and(|it| it.contains("unsafe"))
}

fn lock(host: &Host) -> Result<Flock<File>> {
    let folder = host.path(STATE);
    let path = folder.join("lock");
    let open = || {
        fs::create_dir_all(&folder)?;
        File::create(&path)
    };
    let file = open().with_context(|| path.display().to_string())?;
    Flock::lock(file, FlockArg::LockExclusive)
        .map_err(|(_, errno)| anyhow!("{}: {}", path.display(), errno.desc()))
}

/// Where an array is put together.
struct Place {
    name: String,
    driver: Driver,
}

impl Place {
    /// For the first member.
    fn choose(host: &Host, enrolled: &Enrolled, level: Option<Level>) -> Result<Self> {
        let driver = match load(host, level) {
            Ok(()) => Driver::MdP2p,
            Err(error) => {
                eprintln!(
                    "mdp2p: {} comes up under the kernel's md: {error:#}",
                    enrolled.node()
                );
                Driver::Md
            }
        };
        let is_free = |number: &u32| !host.has(format!("sys/block/md{number}"));
        let mut numbers = std::iter::once(enrolled.number).chain(OTHERS);
        let number = numbers
            .find(is_free)
            .context("no number for an array is free")?;
        if number != enrolled.number {
            eprintln!(
                "mdp2p: md{} is another array: this one becomes md{number}",
                enrolled.number
            );
        }
        let name = format!("md{number}");
        Ok(Self { name, driver })
    }

    /// Tells mdadm, and us the next time; the option for mdadm.
    fn write(&self, host: &Host, uuid: Uuid) -> Result<OsString> {
        let path = file(host, uuid);
        let text = format!("ARRAY /dev/{} UUID={}\n", self.name, uuid.of_mdadm());
        fs::write(&path, text).with_context(|| path.display().to_string())?;
        let mut option = OsString::from("--config=");
        option.push(path);
        Ok(option)
    }

    /// Runs mdadm; its exit status, and what it printed.
    fn mdadm(&self, host: &Host, mdadm: &Path, arguments: &[OsString]) -> Result<(u8, String)> {
        let (read, write) = nix::unistd::pipe().context("a pipe")?;
        let mut command = Command::new(mdadm);
        command.args(arguments).stdin(Stdio::null()).stdout(write);
        let view = match self.driver {
            Driver::MdP2p => View::of(host),
            Driver::Md => View::default(),
        };
        // A few lines: there is room for them in the pipe.
        let status = view.run(command)?;
        let mut told = String::new();
        File::from(read)
            .read_to_string(&mut told)
            .context("what mdadm says")?;
        // For who looks into the journal.
        std::io::stdout()
            .write_all(told.as_bytes())
            .context("standard output")?;
        Ok((number(status), told))
    }
}

fn file(host: &Host, uuid: Uuid) -> PathBuf {
    host.path(format!("{STATE}/{uuid}.conf"))
}

/// The array as it is now: it runs, or members have been added to it.
fn there(host: &Host, uuid: Uuid) -> Result<Option<Array>> {
    match enroll::running(host, uuid)? {
        Some(array) => Ok(Some(array)),
        None => begun(host, uuid),
    }
}

fn has(host: &Host, array: &Array, device: &Path) -> Result<bool> {
    let device = Device::find(host, device)?;
    Ok(array
        .members
        .iter()
        .any(|member| member.name == device.name))
}

/// The array that members have been added to before: it does not tell its UUID before it runs.
fn begun(host: &Host, uuid: Uuid) -> Result<Option<Array>> {
    let text = host.read_if(file(host, uuid))?.unwrap_or_default();
    let name = text.split_whitespace().nth(1);
    let Some(name) = name.and_then(|node| node.strip_prefix("/dev/")) else {
        return Ok(None);
    };
    let state = host.read_if(format!("sys/block/{name}/md/array_state"))?;
    // One that runs has another UUID, or it would have been found.
    match state.as_deref() {
        Some("inactive") => Array::read(host, name).map(Some),
        _ => Ok(None),
    }
}

/// Loads what serves a level. First the kernel's md: then the arrays that are not enrolled stay
/// its own, and udev and mdadm go on with them as ever.
fn load(host: &Host, level: Option<Level>) -> Result<()> {
    let level = level.context("md-p2p has no such level")?;
    if !mdadm::is_loaded(host, "md-p2p") {
        // Where there is no such module, md-p2p is alone.
        let _ = mdadm::load_module(host, "md-mod");
    }
    mdadm::load(host)?;
    mdadm::load_module(host, level.module())
}

/// Has systemd start the array as it is, if nothing comes for a while; where systemd does not
/// run, in an initramfs, a script of packaging/system does.
fn wait_for_more(host: &Host, place: &Place) -> Result<()> {
    if !host.has("run/systemd/system") {
        return Ok(());
    }
    let unit = match place.driver {
        Driver::MdP2p => "md-p2p-last-resort",
        Driver::Md => "mdadm-last-resort",
    };
    let systemctl = program("systemctl").context("systemctl is not found")?;
    let timer = format!("{unit}@{}.timer", place.name);
    let status = Command::new(systemctl)
        .args(["--no-block", "start", &timer])
        .status()
        .context("systemctl")?;
    if !status.success() {
        bail!("systemctl start {timer} ended with {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_waited_for_in_arrays_of_this_host() {
        let told = |started: &str, foreign: &str| {
            format!("MD_DEVICE=md128\nMD_FOREIGN={foreign}\nMD_STARTED={started}\n")
        };
        assert!(is_unsafe(&told("unsafe", "no")));
        assert!(!is_unsafe(&told("unsafe", "yes")));
        assert!(!is_unsafe(&told("no", "no")));
        assert!(!is_unsafe(&told("already", "no")));
        assert!(!is_unsafe(""));
    }
}
