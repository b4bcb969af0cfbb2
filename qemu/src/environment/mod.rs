// SPDX-License-Identifier: GPL-2.0
//! The environment: one Debian 13 system with the kernels, the tools that build for
//! them, QEMU, and the programs of its guests. Made from packages, in stages that
//! each leave a stamp, so that what was interrupted goes on where it stopped.

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
    /// The environment in the user's cache folder, made or completed first if it has to be.
    pub fn ready() -> Result<Self> {
        Self::make(&Settings::default())
    }

    /// Makes or completes it.
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

    /// Gets mdadm's own tests, unless they are there already; their names. In a guest they are
    /// in `/usr/src/mdadm`.
    pub fn mdadm_tests() -> Result<Vec<String>> {
        let Self { folder, .. } = Self::ready()?;
        // On demand, since not every mirror has sources.
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

    /// Builds the debug kernel from the source of the newest kernel that boots, unless it
    /// is there already. Takes as long as a kernel takes.
    pub fn make_debug_kernel() -> Result<Kernel> {
        let Self {
            folder,
            mut kernels,
        } = Self::ready()?;
        // A lock of its own, so that guests can be run meanwhile.
        let _lock = host::lock(&folder.join("debug-lock"), "builds the debug kernel")?;
        let kernel = make::debug_kernel(&folder, kernels.get_bootable(None)?)?;
        kernels.debug = Some(kernel.clone());
        kernels.write(&folder.join("kernels.toml"))?;
        // Its initramfs is made like the others'.
        Self::ready()?;
        Ok(kernel)
    }

    /// Its root folder, as this machine sees it.
    pub fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    /// The folder for what is learnt about this machine (see [`crate::machine::kvm`]).
    pub fn notes(&self) -> &Path {
        &self.folder
    }

    /// Its kernels.
    pub fn kernels(&self) -> &Kernels {
        &self.kernels
    }

    /// The way into it for the caller, who cannot change it.
    pub fn enter(&self) -> Result<Enter> {
        Enter::new(&self.root(), Who::Caller)
    }

    /// The way into it with the repository at `/md-p2p`, of which only the folder that
    /// modules are built in can be written to.
    pub fn enter_repository(&self) -> Result<Enter> {
        let repository = host::repository();
        self.enter()?
            .bind(&repository, "/md-p2p", false)?
            .bind(&build_folder()?, "/md-p2p/target/kbuild", true)?
            .current_dir("/md-p2p")
    }

    /// Runs a command as the root of a copy of it, with the repository at `/md-p2p` to
    /// read. What it changes is gone afterwards.
    pub fn run_in_copy<S: AsRef<OsStr>>(&self, command: &[S]) -> Result<ExitStatus> {
        let folder = host::repository().join("target/copy");
        let _lock = host::lock(&folder.with_extension("lock"), "works in a copy")?;
        // Of one that was killed.
        remove(&folder)?;
        let status = self.in_copy(&folder, command)?.status();
        remove(&folder)?;
        Ok(status?)
    }

    /// Such a command. What it changes is in `folder`, which is made, and can be removed with
    /// [`remove`].
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

    /// Waits until nobody else builds modules, and keeps others from it.
    pub fn lock_modules(&self) -> Result<Flock<File>> {
        host::lock(&build_folder()?.join("lock"), "builds modules")
    }

    /// `make -C kbuild` for `kernel` with more `arguments`, to be run under
    /// [`Environment::lock_modules`]. It sees what `binds` show at places in /run: folder,
    /// place, and whether it can write there.
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

/// Whether a file among mdadm's tests is one: `00raid0`. `00raid0.broken` tells about one.
fn is_test(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_digit()) && !name.contains('.')
}

/// Removes what a command in a copy has changed, in which nobody but the environment's root
/// may.
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

/// Where modules are built, on this machine.
fn build_folder() -> Result<PathBuf> {
    let folder = host::repository().join("target/kbuild");
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    Ok(folder)
}
