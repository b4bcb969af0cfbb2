// SPDX-License-Identifier: GPL-2.0
//! `mdp2p incremental`: what udev has done with a member of an array that is enrolled, or that
//! md-p2p runs, as `mdadm --incremental` with the others. Under md-p2p, and if that cannot be loaded, under the
//! kernel's md: an array that comes up without P2P is better than one that does not.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use nix::fcntl::{Flock, FlockArg};

use crate::command::Command;
use crate::control::enrolled::{Enrolled, OTHERS, Uuid};
use crate::control::mdadm::{self, Namespace};
use crate::control::{enrolled, modprobe, privilege};
use crate::ui;
use clap::Args;
use mdp2p_machine::block::device::BlockDevice;
use mdp2p_machine::kernel::modules::{self, Mode};
use mdp2p_machine::md::array::{self, Array, Driver};
use mdp2p_machine::md::level::Level;
use mdp2p_machine::programs::{number, program};
use mdp2p_machine::sysroot::Sysroot;

/// `mdp2p incremental`
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  mdp2p incremental /dev/nvme0n1")]
pub struct Incremental {
    /// The member
    #[arg(required_unless_present_any = ["runs", "export"])]
    pub device: Option<PathBuf>,
    /// It has gone: its array is to forget it
    #[arg(long)]
    pub fail: bool,
    /// Tell, by the exit status, whether md-p2p runs the array of this UUID beside the kernel's md
    #[arg(long, value_name = "UUID", conflicts_with_all = ["device", "fail"])]
    pub runs: Option<Uuid>,
    /// Tell udev of an array of md-p2p beside the kernel's md: its UUID and its name
    #[arg(long, value_name = "ARRAY", conflicts_with_all = ["device", "fail", "runs"])]
    pub export: Option<String>,
}

impl Command for Incremental {
    fn changes(&self) -> bool {
        true
    }

    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        run(sysroot, self)
    }
}

/// What mdadm is told, until the next boot.
const STATE: &str = "run/md-p2p";

/// Adds a member to its array, which is started once all are there, or has its array forget it;
/// mdadm's exit status.
///
/// # Errors
/// If the device is no member of an array that is enrolled, or that md-p2p runs, or mdadm cannot
/// be run.
pub fn run(sysroot: &Sysroot, options: &Incremental) -> Result<u8> {
    if let Some(uuid) = options.runs {
        return runs(sysroot, uuid);
    }
    if let Some(name) = &options.export {
        return export(sysroot, name);
    }
    privilege::need_root("add members")?;
    let mdadm = mdadm::find()?;
    let device = options.device.as_deref().context("a device is wanted")?;
    match options.fail {
        true => fail(sysroot, &mdadm, device),
        false => add(sysroot, &mdadm, device),
    }
}

/// 0 if md-p2p runs that array where mdadm does not see it, else 1.
fn runs(sysroot: &Sysroot, uuid: Uuid) -> Result<u8> {
    let is_ours = modules::mode(sysroot) == Some(Mode::Beside)
        && enrolled::running(sysroot, uuid)?.is_some_and(|array| array.driver == Driver::MdP2p);
    Ok(u8::from(!is_ours))
}

/// Tells udev of an array what `mdadm --detail --export` tells only of those that mdadm sees, and
/// has in its own map.
fn export(sysroot: &Sysroot, name: &str) -> Result<u8> {
    let Some(uuid) = enrolled::uuid_of(sysroot, name)? else {
        return Ok(0);
    };
    let mut out = ui::out();
    // Without superblocks it is another one each time.
    if sysroot.read(format!("sys/block/{name}/md/metadata_version"))? != "none" {
        writeln!(out, "MD_UUID={}", uuid.of_mdadm())?;
    }
    if let Some(alias) = alias(sysroot, name, uuid)? {
        writeln!(out, "MD_DEVNAME={alias}")?;
    }
    Ok(0)
}

/// What mdadm has called an array in `/dev/md`, in whose map it has a line
/// `md511 1.2 UUID /dev/md/data`, with zeros where the array has no superblocks.
fn alias(sysroot: &Sysroot, name: &str, uuid: Uuid) -> Result<Option<String>> {
    // The second was written while md-p2p was alone, or is all that there is.
    let maps = [mdadm::OUR_MAP, mdadm::MAP].map(|map| sysroot.read_if(map));
    let maps = maps.into_iter().collect::<Result<Vec<_>>>()?;
    let uuids = [uuid, Uuid::default()].map(Uuid::of_map);
    let alias = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [array, _, uuid, path] = words[..] else {
            return None;
        };
        let is_it = array == name && uuids.iter().any(|it| it == uuid);
        let alias = path.strip_prefix("/dev/md/")?;
        (is_it && enrolled::is_plain(alias)).then(|| alias.to_owned())
    };
    let lines = |map: &Option<String>| map.as_deref().and_then(|map| map.lines().find_map(alias));
    Ok(maps.iter().find_map(lines))
}

fn add(sysroot: &Sysroot, mdadm: &Path, device: &Path) -> Result<u8> {
    let member = Member::of(mdadm, device)?;
    // Two members of an array that come at the same time are to have the same array.
    let _lock = lock(sysroot)?;
    let there = there(sysroot, mdadm, member.uuid)?;
    let place = match (there, Enrolled::find_any(sysroot, member.uuid)) {
        // The initramfs has done it, for one; what was to be waited for it did not wait for.
        (Some(array), _) if has(sysroot, &array, device)? => {
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
    let (status, told) = place.mdadm(sysroot, mdadm, &arguments)?;
    if is_unsafe(&told) {
        wait_for_more(sysroot, &place)?;
    }
    Ok(status)
}

/// `device` is what the kernel called it: it has gone.
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

/// What a superblock says.
struct Member {
    uuid: Uuid,
    /// None if it is one that md-p2p has not.
    level: Option<Level>,
}

impl Member {
    fn of(mdadm: &Path, device: &Path) -> Result<Self> {
        let output = process::Command::new(mdadm)
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

/// Where an array is put together.
struct Place {
    name: String,
    driver: Driver,
}

impl Place {
    /// Where it is already.
    fn of(array: Array) -> Self {
        Self {
            name: array.name,
            driver: array.driver,
        }
    }

    /// For the first member.
    fn choose(sysroot: &Sysroot, enrolled: &Enrolled, level: Option<Level>) -> Result<Self> {
        let driver = match load(sysroot, level) {
            Ok(()) => Driver::MdP2p,
            Err(error) => {
                eprintln!(
                    "mdp2p: {} comes up under the kernel's md: {error:#}",
                    enrolled.node()
                );
                Driver::Md
            }
        };
        let is_free = |number: &u32| !sysroot.has(format!("sys/block/md{number}"));
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

    /// Writes down where it is, for mdadm and for the initramfs's last resort; mdadm's option.
    fn write(&self, sysroot: &Sysroot, uuid: Uuid) -> Result<OsString> {
        let path = sysroot.path(format!("{STATE}/{uuid}.conf"));
        let text = format!("ARRAY /dev/{} UUID={}\n", self.name, uuid.of_mdadm());
        fs::write(&path, text).with_context(|| path.display().to_string())?;
        let mut option = OsString::from("--config=");
        option.push(path);
        Ok(option)
    }

    /// Runs mdadm; its exit status, and what it printed.
    fn mdadm(
        &self,
        sysroot: &Sysroot,
        mdadm: &Path,
        arguments: &[OsString],
    ) -> Result<(u8, String)> {
        let (read, write) = nix::unistd::pipe().context("a pipe")?;
        let mut command = process::Command::new(mdadm);
        command.args(arguments).stdin(Stdio::null()).stdout(write);
        let view = match self.driver {
            Driver::MdP2p => Namespace::of(sysroot, arguments)?,
            Driver::Md => Namespace::default(),
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

/// The array as it is now, whoever has it: it runs, or members have been added to it.
fn there(sysroot: &Sysroot, mdadm: &Path, uuid: Uuid) -> Result<Option<Array>> {
    if let Some(array) = enrolled::running(sysroot, uuid)? {
        return Ok(Some(array));
    }
    // One that does not run does not tell its UUID, but its members do.
    let is_it = |array: &Array| {
        let mut members = array.members.iter();
        let of = |name: &str| Member::of(mdadm, &sysroot.path("dev").join(name));
        array.state == "inactive"
            && members.any(|member| of(&member.name).is_ok_and(|member| member.uuid == uuid))
    };
    Ok(array::all(sysroot)?.into_iter().find(is_it))
}

fn has(sysroot: &Sysroot, array: &Array, device: &Path) -> Result<bool> {
    let device = BlockDevice::find(sysroot, device)?;
    Ok(array
        .members
        .iter()
        .any(|member| member.name == device.name))
}

/// Loads what serves a level. First the kernel's md: then the arrays that are not enrolled stay
/// its own, and udev and mdadm go on with them as ever.
fn load(sysroot: &Sysroot, level: Option<Level>) -> Result<()> {
    let level = level.context("md-p2p has no such level")?;
    if !modules::is_loaded(sysroot, "md-p2p") {
        // Where there is no such module, md-p2p is alone.
        let _ = modprobe::load_module(sysroot, "md-mod");
    }
    modprobe::load(sysroot)?;
    modprobe::load_module(sysroot, level.module())
}

/// Has systemd start the array as it is, if nothing comes for a while; where systemd does not
/// run, in an initramfs, a script of packaging/system does.
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
        bail!("systemctl start {timer} ended with {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mdp2p_machine::testing::put;

    #[test]
    fn a_name_is_taken_from_the_line_of_that_array_only() {
        let root = tempfile::tempdir().expect("a folder");
        let mdadms = "3a344e36:cc38c2c0:16b6a6ba:3c2c9491";
        let uuid: Uuid = mdadms.parse().expect("a UUID");
        let uuid_of_map = uuid.of_map();
        let map = format!(
            "md9 1.2 {mdadms} /dev/md/old\nmd511 1.2 {uuid_of_map} /dev/md/data\n\
             md4 none 00000000:00000000:00000000:00000000 /dev/md/built\n\
             md0 1.2 {uuid_of_map} /dev/md0\nmd1 1.2 {uuid_of_map} /dev/md/a/b\nmd2 1.2\n\n"
        );
        put(root.path(), "sys/block/x", "");
        put(root.path(), mdadm::OUR_MAP, &map);
        let theirs =
            format!("md511 1.2 {uuid_of_map} /dev/md/x\nmd3 1.2 {uuid_of_map} /dev/md/y\n");
        put(root.path(), mdadm::MAP, &theirs);
        let sysroot = Sysroot::at(root.path()).expect("a host");
        let alias = |name: &str| alias(&sysroot, name, uuid).expect("a map");
        assert_eq!(alias("md511").as_deref(), Some("data"));
        assert_eq!(alias("md3").as_deref(), Some("y"));
        assert_eq!(alias("md4").as_deref(), Some("built"));
        for none in ["md9", "md0", "md1", "md2", "md51", ""] {
            assert_eq!(alias(none), None, "{none}");
        }
    }

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
