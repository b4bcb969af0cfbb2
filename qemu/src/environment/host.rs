// SPDX-License-Identifier: GPL-2.0
//! What `cargo vm` uses of the machine that it runs on: a few programs, the Debian mirror and
//! proxy of apt, and folders.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::Uid;

/// Returns the folder of this repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("/"))
        .to_owned()
}

/// Returns the folder that keeps the environment, outside of the tree: `$MD_P2P_CACHE`, or
/// `md-p2p` in the user's cache folder.
pub fn cache() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("MD_P2P_CACHE") {
        return std::path::absolute(folder).context("MD_P2P_CACHE");
    }
    let folder = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let folder = folder.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    let folder = folder.ok_or_else(|| {
        anyhow!("there is no HOME to keep the environment in: name a folder with MD_P2P_CACHE")
    })?;
    Ok(folder.join("md-p2p"))
}

/// Takes the lock `file`, which keeps our other processes from what it stands for.
pub fn lock(file: &Path, what: &str) -> Result<Flock<File>> {
    let open = File::create(file).with_context(|| format!("{} cannot be made", file.display()))?;
    match Flock::lock(open, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(lock),
        Err((open, _)) => {
            eprintln!("vm: waiting for another process that {what}");
            Flock::lock(open, FlockArg::LockExclusive).map_err(|(_, error)| error.into())
        }
    }
}

/// Returns where `program` is on this machine, or `None`.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        // A user's PATH lacks the system folders on Debian.
        .chain(["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Checks that the programs which make the environment are there. Installs missing ones for
/// root, and tells others what to install.
pub fn need_packages() -> Result<()> {
    let root = Uid::effective().is_root();
    let mut missing = Vec::new();
    for (program, package) in [("mmdebstrap", "mmdebstrap"), ("newuidmap", "uidmap")] {
        if find(program).is_none() && !(root && package == "uidmap") {
            missing.push(package);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    if !root {
        bail!("this machine lacks {names}: as root, run `apt-get install {names}`");
    }
    eprintln!("vm: installing {names}");
    for arguments in [
        vec!["update", "-q"],
        [vec!["install", "-qy", "--no-install-recommends"], missing].concat(),
    ] {
        let done = Command::new("apt-get")
            .args(&arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(std::io::stderr())
            .status()
            .context("apt-get does not start: md-p2p's environment is made on Debian")?;
        if !done.success() {
            bail!(
                "this machine lacks {names}, and `apt-get {}` failed",
                arguments.join(" ")
            );
        }
    }
    Ok(())
}

/// Returns the Debian mirror that this machine uses, or `None`.
pub fn mirror() -> Option<String> {
    let targets = Command::new("apt-get")
        .args([
            "indextargets",
            "--format",
            "$(REPO_URI) $(ORIGIN) $(LABEL)",
            "Created-By: Packages",
        ])
        .output();
    let text = targets.map(|output| output.stdout).unwrap_or_default();
    choose_mirror(&String::from_utf8_lossy(&text))
}

fn choose_mirror(targets: &str) -> Option<String> {
    let mirror = targets.lines().find_map(|line| {
        let mut words = line.split(' ');
        let uri = words.next()?;
        // Only the archive itself has `Debian` as both its origin and its label.
        (words.eq(["Debian", "Debian"]) && uri.starts_with("http")).then_some(uri)
    });
    mirror.map(str::to_owned)
}

/// Returns the settings with which this machine's apt reaches its mirror.
pub fn apt_settings() -> String {
    let dump = Command::new("apt-config").arg("dump").output();
    let text = dump.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text)
        .lines()
        .filter(|line| line.starts_with("Acquire::http") && line.to_lowercase().contains("proxy"))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_debians_archive_and_no_other() {
        let targets = "http://other.example/debian/ Other Other\n\
                       http://a.mirror/debian-security/ Debian Debian-Security\n\
                       file:/srv/debian/ Debian Debian\n\
                       http://a.mirror/debian/ Debian Debian\n";
        assert_eq!(
            choose_mirror(targets).as_deref(),
            Some("http://a.mirror/debian/")
        );
    }

    #[test]
    fn another_systems_mirror_is_none() {
        assert_eq!(
            choose_mirror("http://ubuntu.example/ Ubuntu Ubuntu\n"),
            None
        );
    }
}
