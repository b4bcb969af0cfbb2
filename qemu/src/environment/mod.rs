// SPDX-License-Identifier: GPL-2.0
//! The environment: one Debian 13 system with the kernels, the tools that build for them, QEMU,
//! and the programs of its guests.

mod enter;
pub mod host;
mod kernels;
mod make;
mod progress;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result, bail};
use nix::fcntl::Flock;

use enter::Who;

pub use enter::Enter;
pub use kernels::{Kernel, Kernels};
pub use make::Settings;

/// A complete environment.
#[derive(Clone, Debug)]
pub struct Environment {
    folder: PathBuf,
    kernels: Kernels,
}

impl Environment {
    /// Returns the environment in the user's cache folder. Makes or completes it first if
    /// necessary.
    pub fn ready() -> Result<Self> {
        Self::make(&Settings::default())
    }

    /// Makes the environment, or completes it.
    pub fn make(settings: &Settings) -> Result<Self> {
        let folder = host::cache()?.join("env");
        for part in ["stamp", "log"] {
            let part = folder.join(part);
            fs::create_dir_all(&part)
                .with_context(|| format!("{} cannot be made", part.display()))?;
        }
        let _lock = host::lock(&folder.join("lock"), "makes the environment")?;
        let kernels = make::environment(&folder, settings)?;
        Ok(Self { folder, kernels })
    }

    /// Gets mdadm's own tests, unless they are there already, and returns their names. In a guest
    /// they are in `/usr/src/mdadm`.
    pub fn mdadm_tests() -> Result<Vec<String>> {
        let Self { folder, .. } = Self::ready()?;
        // This is done on demand, because not every mirror has sources.
        let _lock = host::lock(&folder.join("mdadm-lock"), "gets mdadm's tests")?;
        make::mdadm_tests(&folder)?;
        let tests = folder.join("root/usr/src/mdadm/tests");
        let files =
            fs::read_dir(&tests).with_context(|| format!("{} cannot be read", tests.display()))?;
        let mut names = Vec::new();
        for file in files {
            let name = file?.file_name().to_string_lossy().into_owned();
            if is_test(&name) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// Builds the debug kernel from the source of the newest kernel that boots, unless it is
    /// there already. This takes as long as any kernel takes.
    pub fn make_debug_kernel() -> Result<Kernel> {
        let Self {
            folder,
            mut kernels,
        } = Self::ready()?;
        // This is a lock of its own, so that guests can run meanwhile.
        let _lock = host::lock(&folder.join("debug-lock"), "builds the debug kernel")?;
        let kernel = make::debug_kernel(&folder, kernels.get_bootable(None)?)?;
        kernels.debug = Some(kernel.clone());
        kernels.write(&folder.join("kernels.toml"))?;
        // This makes its initramfs, like those of the other kernels.
        Self::ready()?;
        Ok(kernel)
    }

    /// Returns the environment's root folder, as this machine sees it.
    pub fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    /// Returns the folder for what is learnt about this machine (see [`crate::machine::kvm`]).
    pub fn notes(&self) -> &Path {
        &self.folder
    }

    /// Returns the environment's kernels.
    pub fn kernels(&self) -> &Kernels {
        &self.kernels
    }

    /// Prepares a command of the caller, who cannot change the environment.
    pub fn enter(&self) -> Result<Enter> {
        Enter::new(&self.root(), Who::Caller)
    }

    /// Prepares a command that sees the repository at `/md-p2p`. It can write only to the folder
    /// in which modules are built.
    pub fn enter_repository(&self) -> Result<Enter> {
        let repository = host::repository();
        self.enter()?
            .bind(&repository, "/md-p2p", false)?
            .bind(&build_folder()?, "/md-p2p/target/kbuild", true)?
            .current_dir("/md-p2p")
    }

    /// Runs a command as root in a copy of the environment, with the repository at `/md-p2p` to
    /// read. Its changes are gone afterwards.
    pub fn run_in_copy<S: AsRef<OsStr>>(&self, command: &[S]) -> Result<ExitStatus> {
        let folder = host::repository().join("target/copy");
        let _lock = host::lock(&folder.with_extension("lock"), "works in a copy")?;
        // A command that was killed has left it.
        remove(&folder)?;
        let status = self.in_copy(&folder, command)?.status();
        remove(&folder)?;
        Ok(status?)
    }

    /// Prepares a command as for [`Environment::run_in_copy`]. Its changes go to `folder`, which
    /// is made here, and can be removed with [`remove`].
    pub fn in_copy<S: AsRef<OsStr>>(&self, folder: &Path, command: &[S]) -> Result<Command> {
        for part in ["upper", "work"] {
            outside("mkdir", &["-p"], &folder.join(part))?;
        }
        let mut inside = Enter::copy(&self.root(), folder)?
            .bind(&host::repository(), "/md-p2p", false)?
            .current_dir("/md-p2p")?
            .command(&command[0])?;
        inside.args(&command[1..]);
        Ok(inside)
    }

    /// Waits until nobody else builds modules, and keeps others from building them.
    pub fn lock_modules(&self) -> Result<Flock<File>> {
        host::lock(&build_folder()?.join("lock"), "builds modules")
    }

    /// Prepares `make -C kbuild` for `kernel` with more `arguments`, to run under
    /// [`Environment::lock_modules`]. Each of `binds` shows a folder at a place in /run, and says
    /// whether make can write there.
    pub fn kbuild<S: AsRef<OsStr>>(
        &self,
        kernel: &Kernel,
        arguments: &[S],
        binds: &[(&Path, &str, bool)],
    ) -> Result<Command> {
        let mut enter = self.enter_repository()?;
        for (folder, place, writable) in binds {
            enter = enter.bind(folder, place, *writable)?;
        }
        let mut make = enter.command("make")?;
        make.args(["--no-print-directory", "-C", "kbuild"])
            .arg(format!("KVER={}", kernel.release))
            .arg("BUILD=/md-p2p/target/kbuild")
            .args(arguments);
        Ok(make)
    }
}

/// Returns whether a file is one of mdadm's tests, like `00raid0`. `00raid0.broken` is about one.
fn is_test(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_digit()) && !name.contains('.')
}

/// Removes the changes of a command in a copy. Only the environment's root may remove them.
pub fn remove(folder: &Path) -> Result<()> {
    outside("rm", &["-rf", "--one-file-system"], folder)
}

fn outside(program: &str, arguments: &[&str], folder: &Path) -> Result<()> {
    let mut command = Enter::outside().command(program)?;
    match command.args(arguments).arg(folder).status()?.success() {
        true => Ok(()),
        false => bail!("{program} {} failed", folder.display()),
    }
}

/// Returns the folder on this machine in which modules are built.
fn build_folder() -> Result<PathBuf> {
    let folder = host::repository().join("target/kbuild");
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    Ok(folder)
}
