// SPDX-License-Identifier: GPL-2.0
//! The environment: one Debian 13 system with the kernels, the tools that build for
//! them, QEMU, and the programs of its guests. Made from packages, in stages that
//! each leave a stamp, so that what was interrupted goes on where it stopped.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};
use nix::fcntl::Flock;
use nix::unistd::Uid;

use crate::enter::{Enter, Who};
use crate::host;
use crate::kernels::{Kernel, Kernels};
use crate::progress::step;

/// The suite of the environment; its backports have the kernels.
const SUITE: &str = "trixie";

/// Everything but kernels.
const PACKAGES: &str = "\
    make gcc-14 rustc rust-src bindgen coccinelle libpython3-dev pahole bc flex bison libelf-dev libssl-dev \
    perl python3 shellcheck xz-utils zstd cpio busybox-static \
    qemu-system-x86 qemu-utils \
    kmod udev systemd systemd-sysv dbus mdadm nvme-cli fio e2fsprogs xfsprogs iproute2 procps strace pciutils lsof \
    util-linux dkms patch file openssl mokutil initramfs-tools dracut-core";

const BASE: &str = include_str!("../environment/base.sh");
const TOOLS: &str = include_str!("../environment/packages.sh");
const IMAGE: &str = include_str!("../environment/image.sh");
const INITRD: &str = include_str!("../environment/initrd.sh");
const MDADM: &str = include_str!("../environment/mdadm.sh");
const DEBUG: &str = include_str!("../environment/debug.sh");
const DEBUG_CONFIG: &str = include_str!("../environment/debug.config");
const INITRAMFS: &str = include_str!("../guest/initramfs");

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
        let maker = Maker {
            folder: &folder,
            settings,
        };
        if settings.fresh {
            maker.remove()?;
        }
        maker.stage("base", BASE, || maker.base())?;
        maker.stage("packages", &format!("{TOOLS}{PACKAGES}"), || {
            maker.packages()
        })?;
        maker.stage("kernels", "", || maker.kernels())?;
        let kernels = Kernels::read(&folder.join("kernels.toml"))?;
        for kernel in kernels.all().iter().filter(|kernel| kernel.bootable) {
            maker.stage(&format!("image-{}", kernel.release), IMAGE, || {
                maker.image(kernel)
            })?;
        }
        for kernel in kernels.all().iter().chain(&kernels.debug) {
            if kernel.bootable {
                maker.stage(
                    &format!("initrd-{}", kernel.release),
                    &format!("{INITRD}{INITRAMFS}"),
                    || maker.initrd(kernel),
                )?;
            }
        }
        Ok(Self { folder, kernels })
    }

    /// Gets mdadm's own tests, unless they are there already; their names. In a guest they are
    /// in `/usr/src/mdadm`.
    pub fn mdadm_tests() -> Result<Vec<String>> {
        let Self { folder, .. } = Self::ready()?;
        // On demand, since not every mirror has sources.
        let _lock = host::lock(&folder.join("mdadm-lock"), "gets mdadm's tests")?;
        let settings = Settings::default();
        let maker = Maker {
            folder: &folder,
            settings: &settings,
        };
        maker.stage("mdadm", MDADM, || maker.mdadm())?;
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
        let settings = Settings::default();
        let maker = Maker {
            folder: &folder,
            settings: &settings,
        };
        let newest = kernels.get_bootable(None)?.clone();
        let recipe = format!("{DEBUG}{DEBUG_CONFIG}{}", newest.version);
        maker.stage("debug", &recipe, || maker.debug(&newest))?;
        let kernel = Kernel {
            release: maker.debug_release()?,
            ..newest
        };
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

    /// The folder for what is learnt about this machine (see [`crate::accel`]).
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

/// How an environment is to be made.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The Debian mirror; without one, that of this machine.
    pub mirror: Option<String>,
    /// Remove what is there first.
    pub fresh: bool,
}

/// The stages. Each can be called again after it was interrupted.
struct Maker<'a> {
    folder: &'a Path,
    settings: &'a Settings,
}

impl Maker<'_> {
    /// Runs a stage, unless its stamp says that it was done with the same `recipe`.
    fn stage(&self, name: &str, recipe: &str, run: impl FnOnce() -> Result<()>) -> Result<()> {
        let stamp = self.folder.join("stamp").join(name);
        if fs::read_to_string(&stamp).is_ok_and(|done| done == recipe) {
            return Ok(());
        }
        run()?;
        fs::write(&stamp, recipe).with_context(|| format!("{} cannot be written", stamp.display()))
    }

    fn remove(&self) -> Result<()> {
        let mut rm = Enter::outside().command("rm")?;
        rm.args(["-rf", "--one-file-system"])
            .arg(self.folder.join("root"));
        self.step("removing the environment", "remove", rm, Stdio::null())?;
        for stamp in fs::read_dir(self.folder.join("stamp"))? {
            fs::remove_file(stamp?.path())?;
        }
        Ok(())
    }

    fn base(&self) -> Result<()> {
        host::need_packages()?;
        // What comes later is gone with the old root.
        for stamp in fs::read_dir(self.folder.join("stamp"))? {
            fs::remove_file(stamp?.path())?;
        }
        // Without one mmdebstrap takes Debian's own, and the tools' stage adds its backports.
        let mirror = self.settings.mirror.clone().or_else(host::mirror);
        let mode = if Uid::effective().is_root() {
            "root"
        } else {
            "unshare"
        };
        let archive = self.folder.join("base.tar");
        let mut mmdebstrap = Command::new("mmdebstrap");
        mmdebstrap
            .arg(format!("--mode={mode}"))
            .args([
                "--variant=minbase",
                "--format=tar",
                "--include=ca-certificates",
                SUITE,
            ])
            .arg(&archive);
        if let Some(mirror) = mirror {
            mmdebstrap
                .arg(format!("deb {mirror} {SUITE} main"))
                .arg(format!("deb {mirror} {SUITE}-backports main"));
        }
        self.step(
            "environment: base system",
            "base",
            mmdebstrap,
            Stdio::null(),
        )?;
        let mut unpack = Enter::outside().command("sh")?;
        unpack
            .args(["-c", BASE, "base.sh"])
            .arg(self.folder.join("root"));
        self.step(
            "environment: unpacking it",
            "unpack",
            unpack,
            File::open(&archive)?.into(),
        )?;
        Ok(fs::remove_file(&archive)?)
    }

    fn packages(&self) -> Result<()> {
        let mut tools = self.inside()?.command("sh")?;
        tools
            .args(["-c", TOOLS, "packages.sh"])
            .args(PACKAGES.split_whitespace());
        self.step_with_text(
            "environment: tools",
            "packages",
            tools,
            &host::apt_settings(),
        )
    }

    fn kernels(&self) -> Result<()> {
        let madison = self
            .inside()?
            .command("sh")?
            .args(["-c", "apt-cache madison $(apt-cache pkgnames linux-)"])
            .output()?;
        let kernels = Kernels::choose(&String::from_utf8_lossy(&madison.stdout))?;
        let mut install = self.inside()?.command("apt-get")?;
        install.args(["install", "-y", "--no-install-recommends"]);
        for kernel in kernels.all() {
            install.args(kernel.packages());
        }
        self.step("environment: kernels", "kernels", install, Stdio::null())?;
        let mut clean = self.inside()?.command("apt-get")?;
        if !clean.arg("clean").status()?.success() {
            bail!("apt-get clean failed in the environment");
        }
        kernels.write(&self.folder.join("kernels.toml"))
    }

    fn image(&self, kernel: &Kernel) -> Result<()> {
        let mut unpack = self.inside()?.command("sh")?;
        unpack
            .args(["-c", IMAGE, "image.sh", &kernel.release])
            .args(kernel.image_packages());
        let name = format!("environment: image of {}", kernel.release);
        self.step(&name, "image", unpack, Stdio::null())
    }

    fn initrd(&self, kernel: &Kernel) -> Result<()> {
        let mut make = self.inside()?.command("sh")?;
        make.args(["-c", INITRD, "initrd.sh", &kernel.release]);
        let name = format!("environment: initramfs of {}", kernel.release);
        self.step_with_text(&name, "initrd", make, INITRAMFS)
    }

    fn mdadm(&self) -> Result<()> {
        let mut get = self.inside()?.command("sh")?;
        get.args(["-c", MDADM, "mdadm.sh"]);
        self.step("environment: mdadm's tests", "mdadm", get, Stdio::null())
    }

    fn debug(&self, newest: &Kernel) -> Result<()> {
        let mut build = self.inside()?.command("sh")?;
        build.args(["-c", DEBUG, "debug.sh", &newest.source]);
        self.step_with_text("environment: debug kernel", "debug", build, DEBUG_CONFIG)
    }

    fn debug_release(&self) -> Result<String> {
        let file = self.folder.join("root/usr/src/linux-debug/release");
        let release = fs::read_to_string(&file)
            .with_context(|| format!("{} cannot be read", file.display()))?;
        Ok(release.trim_end().to_owned())
    }

    /// The way into the environment for who changes it, with this machine's network.
    fn inside(&self) -> Result<Enter> {
        let mut enter = Enter::new(&self.folder.join("root"), Who::Root)?;
        for file in [
            "/etc/resolv.conf",
            "/etc/hosts",
            "/etc/ssl/certs/ca-certificates.crt",
        ] {
            if Path::new(file).exists() {
                enter = enter.bind(Path::new(file), file, false)?;
            }
        }
        Ok(enter)
    }

    fn step(&self, name: &str, log: &str, command: Command, input: Stdio) -> Result<()> {
        step(name, command, input, &self.folder.join("log").join(log))
    }

    fn step_with_text(&self, name: &str, log: &str, command: Command, input: &str) -> Result<()> {
        let file = self.folder.join("log").join(format!("{log}.in"));
        fs::write(&file, input)?;
        self.step(name, log, command, File::open(&file)?.into())
    }
}
