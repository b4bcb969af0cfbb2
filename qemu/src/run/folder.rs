// SPDX-License-Identifier: GPL-2.0
//! Makes the folder of a run, and what is in it before the first boot.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::SystemTime;

use anyhow::{Context, Result, bail, ensure};

use crate::environment::{self, Environment, host};
use crate::machine::{RUN, SYSTEM};

/// The size of a system guest's disk. Only what is written takes space.
const SYSTEM_SIZE: u64 = 8 << 30;

/// The folder in a run's folder for the changes in its copy of the environment.
pub const COPY: &str = "copy";

/// Makes a new folder for a run: `keep`, or one below `target/vm` that is named after time and
/// `script`.
pub fn make(keep: Option<&Path>, script: &OsStr) -> Result<PathBuf> {
    if let Some(folder) = keep {
        fs::create_dir_all(folder)
            .with_context(|| format!("--keep {}: cannot be made", folder.display()))?;
        if fs::read_dir(folder)?.next().is_some() {
            bail!(
                "--keep {}: is not empty; name a new folder",
                folder.display()
            );
        }
        return Ok(fs::canonicalize(folder)?);
    }
    let runs = host::repository().join("target/vm");
    fs::create_dir_all(&runs).with_context(|| format!("{} cannot be made", runs.display()))?;
    let time = humantime::format_rfc3339_seconds(SystemTime::now())
        .to_string()
        .replace(':', "");
    let name = format!("{time}-{}", script.to_string_lossy());
    for number in 1.. {
        let folder = runs.join(if number == 1 {
            name.clone()
        } else {
            format!("{name}-{number}")
        });
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            // Runs may start in the same second.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| format!("{} cannot be made", folder.display()));
            }
        }
    }
    bail!("{} has no room for another name", runs.display())
}

/// Makes the copy of the environment that the guest boots from, and runs `script` in it with the
/// kernel's release. What the script prints is kept in `copy.log`.
pub fn make_copy(
    environment: &Environment,
    script: &Path,
    release: &str,
    folder: &Path,
) -> Result<()> {
    let path = fs::canonicalize(script).with_context(|| script.display().to_string())?;
    let inside = path
        .strip_prefix(fs::canonicalize(host::repository())?)
        .with_context(|| format!("{} is no file of the repository", script.display()))?;
    let copy = folder.join(COPY);
    let log = folder.join(COPY.to_owned() + ".log");
    let output = File::create(&log)?;
    let status = environment
        .in_copy(
            &copy,
            &[&Path::new("/md-p2p").join(inside), Path::new(release)],
        )?
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .status();
    if !status.as_ref().is_ok_and(ExitStatus::success) {
        environment::remove(&copy)?;
        let text = fs::read_to_string(&log)?;
        let last: Vec<&str> = text.lines().rev().take(10).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        bail!(
            "{} ended with {}:\n{}",
            script.display(),
            status?,
            last.join("\n")
        );
    }
    Ok(())
}

/// Makes the disk that the root of a system guest lasts on, empty.
pub fn make_system(environment: &Environment, folder: &Path) -> Result<()> {
    File::create(folder.join("drives").join(SYSTEM))?.set_len(SYSTEM_SIZE)?;
    let enter = environment.enter()?.bind(folder, RUN, true)?;
    let mut mke2fs = enter.command("mke2fs")?;
    mke2fs
        .args(["-q", "-t", "ext4"])
        .arg(format!("{RUN}/drives/{SYSTEM}"));
    let output = mke2fs.stdin(Stdio::null()).output()?;
    ensure!(
        output.status.success(),
        "the disk of the system cannot be made: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
