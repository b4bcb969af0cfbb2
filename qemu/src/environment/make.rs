// SPDX-License-Identifier: GPL-2.0
//! Makes the environment from packages, in stages. Each stage leaves a stamp, so that an
//! interrupted build goes on where it stopped.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::unistd::Uid;

use super::enter::{Enter, Who};
use super::host;
use super::kernels::{Kernel, Kernels};
use super::progress::step;

/// The suite of the environment. Its backports have the kernels.
const SUITE: &str = "trixie";

/// The packages, apart from kernels.
const PACKAGES: &str = "\
    make gcc-14 rustc rust-src bindgen coccinelle libpython3-dev pahole bc flex bison libelf-dev libssl-dev \
    perl python3 shellcheck xz-utils zstd cpio busybox-static \
    qemu-system-x86 qemu-utils \
    kmod udev systemd systemd-sysv dbus mdadm nvme-cli fio e2fsprogs xfsprogs iproute2 procps strace pciutils lsof \
    util-linux dkms patch file openssl mokutil initramfs-tools dracut-core";

const BASE: &str = include_str!("../../environment/base.sh");
const TOOLS: &str = include_str!("../../environment/packages.sh");
const IMAGE: &str = include_str!("../../environment/image.sh");
const INITRD: &str = include_str!("../../environment/initrd.sh");
const MDADM: &str = include_str!("../../environment/mdadm.sh");
const DEBUG: &str = include_str!("../../environment/debug.sh");
const DEBUG_CONFIG: &str = include_str!("../../environment/debug.config");
const INITRAMFS: &str = include_str!("../../guest/initramfs");

/// How to make an environment.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The Debian mirror. `None` stands for the mirror of this machine.
    pub mirror: Option<String>,
    /// Whether to remove the old environment first.
    pub fresh: bool,
}

/// Makes the environment in `folder`, or completes it, and returns its kernels.
pub fn environment(folder: &Path, settings: &Settings) -> Result<Kernels> {
    let maker = Maker { folder, settings };
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
    Ok(kernels)
}

/// Gets mdadm's own tests for the environment in `folder`, unless they are there already.
pub fn mdadm_tests(folder: &Path) -> Result<()> {
    let settings = &Settings::default();
    let maker = Maker { folder, settings };
    maker.stage("mdadm", MDADM, || maker.mdadm())
}

/// Builds the debug kernel from the source of `newest` in the environment in `folder`, unless it
/// is there already.
pub fn debug_kernel(folder: &Path, newest: &Kernel) -> Result<Kernel> {
    let settings = &Settings::default();
    let maker = Maker { folder, settings };
    let recipe = format!("{DEBUG}{DEBUG_CONFIG}{}", newest.version);
    maker.stage("debug", &recipe, || maker.debug(newest))?;
    Ok(Kernel {
        release: maker.debug_release()?,
        ..newest.clone()
    })
}

/// Runs stages. Each stage can be run again after it was interrupted.
struct Maker<'a> {
    folder: &'a Path,
    settings: &'a Settings,
}

impl Maker<'_> {
    /// Runs a stage, unless its stamp says that the stage was done with the same `recipe`.
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
        // The later stages are gone with the old root.
        for stamp in fs::read_dir(self.folder.join("stamp"))? {
            fs::remove_file(stamp?.path())?;
        }
        // Without a mirror, mmdebstrap takes Debian's own, and the stage `packages` adds its backports.
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

    /// Prepares a command that changes the environment, with this machine's network.
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
