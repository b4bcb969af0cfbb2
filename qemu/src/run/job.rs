// SPDX-License-Identifier: GPL-2.0
//! The files that one boot puts above the guest's root: its init and `vmctl`, the modules, our
//! programs, and the script with its files. `guest/init`, `guest/system` and `guest/run` are the
//! guest's side.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::Serialize;

use crate::environment::{Environment, Kernel, host};

/// Our own programs in the guest's PATH, by package.
const PROGRAMS: &[(&str, &str)] = &[
    ("md-p2p-tests", "p2pio"),
    ("md-p2p-tests", "faults"),
    ("md-p2p-tests", "sequences"),
    ("mdp2p", "mdp2p"),
];

/// The target of these programs. They run on another system than they are built on.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The modules that the guest has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Modules {
    /// The kernel's modules, and ours as `make install` installs them.
    #[default]
    P2p,
    /// The kernel's modules only.
    Stock,
}

impl FromStr for Modules {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "p2p" => Ok(Self::P2p),
            "stock" => Ok(Self::Stock),
            _ => Err(anyhow!("{text:?} are no modules: say p2p or stock")),
        }
    }
}

/// Units that systemd does not start. They have nothing to do with drives, arrays and modules, and
/// would take their time in emulation.
const NOT_STARTED: &[&str] = &[
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "dracut-shutdown.service",
    "e2scrub_reap.service",
    "getty.target",
    "kmod-static-nodes.service",
    "nvmefc-boot-connections.service",
    "nvmf-autoconnect.service",
    "proc-sys-fs-binfmt_misc.automount",
    "remote-fs.target",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "system-xfs_scrub.slice",
    "systemd-ask-password-console.path",
    "systemd-ask-password-wall.path",
    "systemd-hostnamed.socket",
    "systemd-journal-flush.service",
    "systemd-logind.service",
    "systemd-network-generator.service",
    "systemd-pstore.service",
    "systemd-random-seed.service",
    "systemd-remount-fs.service",
    "systemd-sysext.socket",
    "systemd-tmpfiles-setup-dev-early.service",
    "systemd-tmpfiles-setup-dev.service",
    "systemd-udev-load-credentials.service",
    "systemd-update-utmp.service",
    "systemd-user-sessions.service",
    "timers.target",
    "uuidd.socket",
];

/// Generators of units that would generate nothing, and take their time for it.
const NO_GENERATORS: &[&str] = &[
    "getty",
    "gpt-auto",
    "hibernate-resume",
    "rc-local",
    "run",
    "ssh",
    "system-update",
    "sysv",
    "tpm2",
];

/// Builds a script's own module. It runs in the environment.
const MODULE: &str = include_str!("../../environment/module.sh");

/// The folder of a boot's files, laid out like a root folder.
#[derive(Debug)]
pub struct Job {
    root: PathBuf,
}

impl Job {
    /// Makes a job in `folder`, and removes what was there. The guest has our init or, as a
    /// `system`, systemd.
    pub fn new(folder: &Path, system: bool) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        let job = Self {
            root: folder.to_owned(),
        };
        job.write("vm/run", include_str!("../../guest/run"), true)?;
        job.write(
            "usr/local/bin/vmctl",
            include_str!("../../guest/vmctl"),
            true,
        )?;
        if system {
            job.write("vm/init", include_str!("../../guest/system"), true)?;
            let unit = "etc/systemd/system/vm.service";
            job.write(unit, include_str!("../../guest/vm.service"), false)?;
            // An empty file hides the unit of the environment.
            for unit in NOT_STARTED {
                job.write(&format!("etc/systemd/system/{unit}"), "", false)?;
            }
            for generator in NO_GENERATORS {
                let file = format!("etc/systemd/system-generators/systemd-{generator}-generator");
                job.write(&file, "", false)?;
            }
        } else {
            job.write("vm/init", include_str!("../../guest/init"), true)?;
            let file = "etc/mdadm/mdadm.conf";
            job.write(file, include_str!("../../guest/mdadm.conf"), false)?;
        }
        job.write(
            "etc/udev/rules.d/90-vm.rules",
            include_str!("../../guest/vm.rules"),
            false,
        )?;
        fs::create_dir_all(folder.join("vm/work"))?;
        Ok(job)
    }

    /// Writes the settings that the guest's programs read, as lines `name=value` of shell.
    pub fn settings(&self, settings: &[(&str, &str)]) -> Result<()> {
        let text: String = settings
            .iter()
            .map(|(name, value)| format!("{name}='{value}'\n"))
            .collect();
        self.write("vm/settings", &text, false)
    }

    /// Adds the script and its arguments. A script without `#!` is bash.
    pub fn script(&self, name: &OsStr, text: &[u8], arguments: &[String]) -> Result<()> {
        let name = Path::new("vm/work").join(name);
        self.write_bytes(&name, text, true)?;
        let script = format!(
            "./{}",
            name.file_name().unwrap_or_default().to_string_lossy()
        );
        let bash = (!text.starts_with(b"#!")).then(|| "bash".to_owned());
        let words = bash
            .into_iter()
            .chain([script])
            .chain(arguments.iter().cloned());
        let command: String = words.map(|word| word + "\0").collect();
        self.write("vm/command", &command, false)
    }

    /// Adds a file to the script's working folder.
    pub fn add(&self, file: &Path) -> Result<()> {
        copy_into(file, &self.root.join("vm/work"), "add")
    }

    /// Builds the module `NAME.ko` for `kernel` from each source `NAME.c`, and adds it to the
    /// script's working folder.
    pub fn build(
        &self,
        environment: &Environment,
        kernel: &Kernel,
        sources: &[PathBuf],
    ) -> Result<()> {
        let folder = tempfile::tempdir()?;
        for source in sources {
            copy_into(source, folder.path(), "build")?;
        }
        let mut build = environment
            .enter()?
            .bind(folder.path(), "/run/sources", true)?
            .command("sh")?;
        build.args(["-c", MODULE, "module.sh", &kernel.release, "/run/sources"]);
        let output = build.stdin(Stdio::null()).output()?;
        if !output.status.success() {
            bail!(
                "the script's modules cannot be built for {}:\n{}{}",
                kernel.release,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let is_header = |source: &&PathBuf| source.extension().is_some_and(|end| end == "h");
        for source in sources.iter().filter(|source| !is_header(source)) {
            let module = folder.path().join(source).with_extension("ko");
            let name = module.file_name().unwrap_or_default();
            self.add(&folder.path().join(name))?;
        }
        Ok(())
    }

    /// Adds our programs. Builds them if they are not up to date.
    pub fn programs(&self) -> Result<()> {
        for (package, program) in PROGRAMS {
            let built = build_program(package, program)?;
            let to = self.root.join("usr/local/bin").join(program);
            fs::copy(&built, &to)
                .with_context(|| format!("{} cannot be copied", built.display()))?;
        }
        Ok(())
    }

    /// Adds our modules for `kernel`. Builds and installs them if they are not up to date.
    pub fn modules(&self, environment: &Environment, kernel: &Kernel) -> Result<()> {
        let _lock = environment.lock_modules()?;
        let installed = install_modules(environment, kernel)?;
        let to = self.root.join("usr/lib/modules").join(&kernel.release);
        copy_folder(&installed, &to)
            .with_context(|| format!("{} cannot be copied", installed.display()))
    }

    fn write(&self, name: &str, text: &str, program: bool) -> Result<()> {
        self.write_bytes(Path::new(name), text.as_bytes(), program)
    }

    fn write_bytes(&self, name: &Path, bytes: &[u8], program: bool) -> Result<()> {
        let file = self.root.join(name);
        let written = || -> std::io::Result<()> {
            fs::create_dir_all(file.parent().unwrap_or(&self.root))?;
            fs::write(&file, bytes)?;
            fs::set_permissions(
                &file,
                fs::Permissions::from_mode(if program { 0o755 } else { 0o644 }),
            )
        };
        written().with_context(|| format!("{} cannot be written", file.display()))
    }
}

/// Builds what a job brings along, if it is not up to date: our programs and modules.
pub fn build(environment: &Environment, kernel: &Kernel, modules: Modules) -> Result<()> {
    for (package, program) in PROGRAMS {
        build_program(package, program)?;
    }
    if modules == Modules::P2p {
        let _lock = environment.lock_modules()?;
        install_modules(environment, kernel)?;
    }
    Ok(())
}

/// Reads a script: a file, or standard input for `-`.
pub fn read_script(script: &Path) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    if script == Path::new("-") {
        std::io::stdin().read_to_end(&mut text)?;
    } else {
        text = fs::read(script)
            .with_context(|| format!("the script {} cannot be read", script.display()))?;
    }
    Ok(text)
}

/// Copies a file that was named with `--option`.
fn copy_into(file: &Path, folder: &Path, option: &str) -> Result<()> {
    let name = file
        .file_name()
        .with_context(|| format!("--{option} {}: is no file", file.display()))?;
    fs::copy(file, folder.join(name))
        .with_context(|| format!("--{option} {}: cannot be copied", file.display()))?;
    Ok(())
}

/// Builds a program that needs nothing of the system that it runs on.
fn build_program(package: &str, program: &str) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = host::repository().join("target");
    let status = Command::new(cargo)
        .current_dir(host::repository())
        .args([
            "build",
            "--quiet",
            "--release",
            "--package",
            package,
            "--bin",
            program,
            "--target",
            TARGET,
        ])
        .arg("--target-dir")
        .arg(&target)
        .env(
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS",
            "-C target-feature=+crt-static",
        )
        .env_remove("RUSTFLAGS")
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .context("cargo does not start")?;
    ensure!(
        status.success(),
        "{program} cannot be built, as shown above"
    );
    Ok(target.join(TARGET).join("release").join(program))
}

/// Builds the modules, and installs them into a folder of their own, with the files that modprobe
/// needs. Returns the folder `lib/modules/RELEASE` in it.
fn install_modules(environment: &Environment, kernel: &Kernel) -> Result<PathBuf> {
    kbuild(environment, kernel, &[], &[])?;
    let built = host::repository()
        .join("target/kbuild")
        .join(&kernel.release)
        .join("module");
    let list = listing(&built)?;
    let root = host::repository()
        .join("target/vm/modules")
        .join(&kernel.release);
    let installed = root.join("usr/lib/modules").join(&kernel.release);
    let stamp = root.join("stamp");
    if fs::read_to_string(&stamp).is_ok_and(|done| done == list) {
        return Ok(installed);
    }
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    fs::create_dir_all(installed.join("kernel"))?;
    // depmod also reads the kernel's own modules, in their place.
    let own = environment
        .root()
        .join("usr/lib/modules")
        .join(&kernel.release);
    for file in [
        "modules.builtin",
        "modules.builtin.modinfo",
        "modules.order",
    ] {
        fs::copy(own.join(file), installed.join(file))
            .with_context(|| format!("{file} of {}", kernel.release))?;
    }
    let inside = format!("/run/modules/usr/lib/modules/{}/kernel", kernel.release);
    let binds = [
        (root.as_path(), "/run/modules", true),
        (&own.join("kernel"), &inside, false),
    ];
    kbuild(
        environment,
        kernel,
        &["install", "INSTALL_MOD_PATH=/run/modules/usr"],
        &binds,
    )?;
    fs::write(stamp, list)?;
    Ok(installed)
}

/// Runs `make -C kbuild`, with its output on standard error.
fn kbuild(
    environment: &Environment,
    kernel: &Kernel,
    arguments: &[&str],
    binds: &[(&Path, &str, bool)],
) -> Result<()> {
    let mut make = environment.kbuild(kernel, arguments, binds)?;
    let status = make
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()?;
    if !status.success() {
        bail!(
            "the modules for {} cannot be built, as shown above",
            kernel.release
        );
    }
    Ok(())
}

/// Lists the name, size and age of each module in `folder`.
fn listing(folder: &Path) -> Result<String> {
    let files =
        fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut lines = Vec::new();
    for file in files {
        let file = file?;
        if file.path().extension() == Some(OsStr::new("ko")) {
            let about = file.metadata()?;
            lines.push(format!(
                "{:?} {} {:?}\n",
                file.file_name(),
                about.len(),
                about.modified()?
            ));
        }
    }
    ensure!(
        !lines.is_empty(),
        "there are no modules in {}",
        folder.display()
    );
    lines.sort();
    Ok(lines.concat())
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> (tempfile::TempDir, Job) {
        let folder = tempfile::tempdir().expect("a folder");
        let job = Job::new(&folder.path().join("job"), false).expect("a job");
        (folder, job)
    }

    fn command(text: &[u8], arguments: &[&str]) -> String {
        let (_folder, job) = job();
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        job.script(OsStr::new("try"), text, &arguments)
            .expect("a script");
        fs::read_to_string(job.root.join("vm/command")).expect("a command")
    }

    #[test]
    fn a_script_is_run_by_what_it_names_or_by_bash() {
        assert_eq!(command(b"#!/bin/sh\n", &["a b", ""]), "./try\0a b\0\0");
        assert_eq!(command(b"echo\n", &[]), "bash\0./try\0");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let (_folder, job) = job();
        let error = job
            .add(Path::new("/no/such"))
            .expect_err("an error")
            .to_string();
        assert_eq!(error, "--add /no/such: cannot be copied");
    }

    #[test]
    fn an_old_job_leaves_nothing_behind() {
        let (folder, job) = job();
        job.settings(&[("shell", "")]).expect("settings");
        Job::new(&folder.path().join("job"), true).expect("a job");
        assert!(!folder.path().join("job/vm/settings").exists());
    }
}
