// SPDX-License-Identifier: GPL-2.0
//! `mdp2p module`: the kernel modules, from their source to the running kernel.

mod in_use;
mod options;

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use self::in_use::InUse;
use crate::command::Command;
use crate::control::privilege;
use crate::ui;
use mdp2p_machine::kernel::config::Options;
use mdp2p_machine::kernel::modules::{self, Installed, MAIN, MODULES, Mode};
use mdp2p_machine::kernel::release::{self, shown};
use mdp2p_machine::kernel::secure_boot::{CERTIFICATE, KEY};
use mdp2p_machine::md::array::{self, Driver};
use mdp2p_machine::programs;
use mdp2p_machine::sysroot::{Sysroot, natural};
pub use options::{Build, Module, ModuleVerb};

impl Command for Module {
    fn changes(&self) -> bool {
        self.verb.changes()
    }

    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        run(sysroot, self)
    }
}

/// What builds them beside a compiler (docs/install.md); preflight says more.
pub const TOOLS: &str = "make gcc-14 rustc rust-src bindgen coccinelle libpython3-dev pahole bc \
                         flex bison libelf-dev libssl-dev";

/// Does it; the exit status.
///
/// # Errors
/// With what was wrong.
pub fn run(sysroot: &Sysroot, options: &Module) -> Result<u8> {
    match &options.verb {
        ModuleVerb::Status { kernel, json } => status(sysroot, kernel.as_deref(), *json),
        ModuleVerb::Build(options) => make(sysroot, options, None),
        ModuleVerb::Install(options) => {
            need_root(options.dry_run, "install")?;
            make(sysroot, options, Some("install"))
        }
        ModuleVerb::Load { modules, dry_run } => {
            need_root(*dry_run, "load")?;
            load(sysroot, modules, *dry_run)
        }
        ModuleVerb::Unload { dry_run } => {
            need_root(*dry_run, "unload")?;
            unload(sysroot, *dry_run)
        }
        ModuleVerb::Sign {
            kernel,
            key,
            certificate,
            dry_run,
        } => {
            need_root(*dry_run, "sign")?;
            let pair = key.as_deref().zip(certificate.as_deref());
            sign(sysroot, kernel.as_deref(), pair, *dry_run)
        }
    }
}

fn need_root(dry_run: bool, verb: &str) -> Result<()> {
    match dry_run {
        true => Ok(()),
        false => privilege::need_root(&format!("{verb} modules")),
    }
}

/// The kernel that was named, if there is one of that name, or the one that runs.
fn chosen(sysroot: &Sysroot, named: Option<&str>) -> Result<String> {
    let Some(release) = named else {
        return release::running(sysroot);
    };
    let folder = release::folder(sysroot, release);
    if !sysroot.path(&folder).is_dir() {
        let all = folder.parent().unwrap_or(&folder);
        bail!(
            "there is no kernel {release}: no folder {}; those there are: {}",
            shown(&folder),
            list(&sysroot.names(all)?)
        );
    }
    Ok(release.to_owned())
}

fn list(words: &[String]) -> String {
    match words {
        [] => "none".into(),
        words => words.join(", "),
    }
}

// Status.

/// All that is known of the modules of a kernel.
#[derive(Debug, Serialize)]
struct Status {
    kernel: String,
    running: bool,
    /// None if md-p2p is not loaded, or this is another kernel.
    mode: Option<Mode>,
    made_of: Option<MadeOf>,
    /// None if they are not there.
    headers: Option<String>,
    #[serde(flatten)]
    force: InUse,
    modules: Vec<OneStatus>,
}

/// What the md-p2p that is loaded was made of.
#[derive(Debug, Serialize)]
struct MadeOf {
    md_source: String,
    md_source_sha256: String,
    md_rules: Vec<String>,
}

#[derive(Debug, Serialize)]
struct OneStatus {
    name: &'static str,
    /// In the build folder of the source that [`find_source`] finds.
    built: Option<String>,
    /// More than one if somebody put it in two places; modprobe takes the first.
    installed: Vec<Installed>,
    loaded: bool,
    /// None if it is not loaded.
    uses: Option<u32>,
}

fn status(sysroot: &Sysroot, named: Option<&str>, json: bool) -> Result<u8> {
    let status = Status::read(sysroot, named)?;
    match json {
        true => ui::json(&status)?,
        false => status.print()?,
    }
    Ok(0)
}

impl Status {
    fn read(sysroot: &Sysroot, named: Option<&str>) -> Result<Self> {
        let release = chosen(sysroot, named)?;
        let running = release::running(sysroot).is_ok_and(|it| it == release);
        let installed = modules::installed(sysroot, &release)?;
        let built = match find_source(sysroot, None) {
            Ok(source) => {
                let folder = source.join(format!("kbuild/build/{release}/module"));
                modules::built(sysroot, &folder)?
            }
            Err(_) => Vec::new(),
        };
        let loaded = match running {
            true => modules::loaded(sysroot)?,
            false => Vec::new(),
        };
        let one = |name: &&'static str| {
            let uses = loaded.iter().find(|it| it.name == *name).map(|it| it.uses);
            let is_it = |it: &&Installed| it.name == *name;
            OneStatus {
                name,
                built: built.iter().find(is_it).map(|it| shown(&it.path)),
                installed: installed.iter().filter(is_it).cloned().collect(),
                loaded: uses.is_some(),
                uses,
            }
        };
        Ok(Self {
            running,
            mode: modules::mode(sysroot).filter(|_| running),
            made_of: match running {
                true => MadeOf::read(sysroot)?,
                false => None,
            },
            headers: release::headers(sysroot, &release).map(|path| shown(&path)),
            force: InUse::read(sysroot, &release, &installed)?,
            // The main one first: people look for it.
            modules: MODULES.iter().rev().map(one).collect(),
            kernel: release,
        })
    }

    fn print(&self) -> Result<()> {
        let mut out = ui::out();
        let runs = if self.running { " (it runs)" } else { "" };
        writeln!(out, "kernel   {}{runs}", self.kernel)?;
        let headers = self.headers.as_deref().unwrap_or("none");
        writeln!(out, "headers  {headers}")?;
        self.force.print(&mut out)?;
        if self.running {
            writeln!(out, "mode     {}", told(self.mode))?;
        }
        if let Some(made_of) = &self.made_of {
            let rules = made_of.md_rules.len();
            writeln!(out, "made of  {}, {rules} rules", made_of.md_source)?;
        }
        let heads = ["MODULE", "BUILT", "INSTALLED", "SIGNED", "LOADED", "USES"];
        let rows = self.modules.iter().map(OneStatus::row);
        write!(out, "\n{}", ui::table(&heads, rows, &[5]))?;
        Ok(())
    }
}

/// The mode in words.
fn told(mode: Option<Mode>) -> &'static str {
    match mode {
        None => "not loaded",
        Some(Mode::Sole) => "sole: /proc/mdstat is md-p2p's, and plain mdadm works with it",
        Some(Mode::Beside) => "beside the kernel's md: /proc/mdstat-p2p is md-p2p's",
    }
}

impl MadeOf {
    fn read(sysroot: &Sysroot) -> Result<Option<Self>> {
        let text = |name: &str| {
            let text = sysroot.read_if(format!("sys/module/md_p2p/parameters/{name}"))?;
            anyhow::Ok(text.unwrap_or_default())
        };
        let md_source = text("md_source")?;
        if md_source.is_empty() {
            return Ok(None);
        }
        let md_rules = text("md_rules")?;
        Ok(Some(Self {
            md_source,
            md_source_sha256: text("md_source_sha256")?,
            md_rules: md_rules.split_whitespace().map(str::to_owned).collect(),
        }))
    }
}

impl OneStatus {
    fn row(&self) -> Vec<String> {
        let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
        let paths: Vec<String> = self.installed.iter().map(short).collect();
        let signed = match self.installed.first() {
            None => "-".into(),
            Some(Installed {
                signed: Some(signed),
                ..
            }) => yes_no(*signed),
            Some(it) => format!("? ({})", it.compression.unwrap_or_default()),
        };
        vec![
            self.name.to_owned(),
            yes_no(self.built.is_some()),
            match paths[..] {
                [] => "no".into(),
                _ => paths.join(", "),
            },
            signed,
            yes_no(self.loaded),
            self.uses.map_or("-".into(), |uses| uses.to_string()),
        ]
    }
}

/// The folder below that of the kernel: `updates/dkms`, the name of the file being plain.
fn short(installed: &Installed) -> String {
    let components: Vec<_> = installed
        .path
        .iter()
        .skip_while(|name| {
            !["updates", "extra", "weak-updates"]
                .map(Some)
                .contains(&name.to_str())
        })
        .map(|name| name.to_string_lossy())
        .collect();
    match components.split_last() {
        Some((_, folders)) => folders.join("/"),
        None => shown(&installed.path),
    }
}

// Build and install.

fn make(sysroot: &Sysroot, options: &Build, target: Option<&str>) -> Result<u8> {
    let source = find_source(sysroot, options.source.as_deref())?;
    let release = match &options.kernel {
        Some(release) => release.clone(),
        None => release::running(sysroot)?,
    };
    let is_told = |variable: &str| {
        let in_arguments = |argument: &String| argument.starts_with(&format!("{variable}="));
        options.make.iter().any(in_arguments) || env::var_os(variable).is_some()
    };
    if release::headers(sysroot, &release).is_none() && !is_told("KDIR") {
        bail!("{}", no_headers(sysroot, &release));
    }
    let mut arguments = vec![
        "-C".into(),
        source.join("kbuild").into(),
        format!("KVER={release}").into(),
    ];
    arguments.extend(target.map(OsString::from));
    arguments.extend(options.make.iter().map(OsString::from));
    let step = Step {
        program: "make".into(),
        arguments,
        package: "make",
    };
    run_all(&[step], options.dry_run)
}

/// What to install where the headers of a kernel are missing.
fn no_headers(sysroot: &Sysroot, release: &str) -> String {
    // What comes before the second dot: 7.3 of 7.3.4+deb13-amd64.
    let series: Vec<&str> = release.split(['.', '-', '+']).take(2).collect();
    let headers = shown(&release::folder(sysroot, release).join("build"));
    format!(
        "there are no headers of kernel {release} in {headers}; install what builds the modules: \
         apt install linux-headers-{release} linux-source-{} {TOOLS} \
         (or say where the headers are: -- KDIR=FOLDER)",
        series.join(".")
    )
}

/// The source of md-p2p: what was named, else the newest `/usr/src/md-p2p-*`, else the
/// folder that we are in or one above it.
fn find_source(sysroot: &Sysroot, named: Option<&Path>) -> Result<PathBuf> {
    let is_source = |folder: &Path| {
        folder.join("kbuild/Makefile").is_file() && folder.join("kbuild/stages").is_dir()
    };
    if let Some(folder) = named {
        if !is_source(folder) {
            bail!(
                "{}: not the source of md-p2p, there is no kbuild/Makefile of it in there",
                folder.display()
            );
        }
        return Ok(folder.to_owned());
    }
    let mut names = sysroot.names("usr/src")?;
    names.sort_by_key(|name| natural(name));
    let installed = names
        .iter()
        .rev()
        .filter(|name| name.starts_with("md-p2p-"))
        .map(|name| sysroot.path("usr/src").join(name))
        .find(|folder| is_source(folder));
    if let Some(folder) = installed {
        return Ok(folder);
    }
    if !sysroot.is_here() {
        bail!(
            "there is no source of md-p2p in /usr/src/md-p2p-*; say where it is: --source FOLDER"
        );
    }
    let here = env::current_dir().context("the folder we are in has gone")?;
    let above = here.ancestors().find(|folder| is_source(folder));
    above.map(Path::to_owned).with_context(|| {
        format!(
            "there is no source of md-p2p in /usr/src/md-p2p-*, nor in {} or above it; \
             say where it is: --source FOLDER",
            here.display()
        )
    })
}

// Load and unload.

fn load(sysroot: &Sysroot, modules: &[String], dry_run: bool) -> Result<u8> {
    let release = release::running(sysroot)?;
    let installed = modules::installed(sysroot, &release)?;
    let loaded = modules::loaded(sysroot)?;
    let is_there = |name: &str| {
        let is_loaded = loaded.iter().any(|it| it.name == name);
        is_loaded || installed.iter().any(|it| it.name == name)
    };
    let others = modules.iter().map(String::as_str);
    let others = others.filter(|name| *name != MAIN);
    let wanted = || std::iter::once(MAIN).chain(others.clone());
    let missing: Vec<String> = wanted()
        .filter(|name| !is_there(name))
        .map(str::to_owned)
        .collect();
    if !missing.is_empty() {
        bail!(
            "not installed for kernel {release}: {}; build and install them: \
             sudo mdp2p module install",
            list(&missing)
        );
    }
    let step = modprobe("-a", wanted());
    let status = run_all(&[step], dry_run)?;
    if dry_run {
        return Ok(0);
    }
    if status != 0 {
        bail!("modprobe failed with status {status}; mdp2p doctor looks for the reason");
    }
    match modules::mode(sysroot) {
        None => bail!("modprobe was content, and md-p2p is not loaded: see dmesg"),
        mode => writeln!(ui::out(), "{MAIN}: {}", told(mode))?,
    }
    if modules::mode(sysroot) == Some(Mode::Beside) {
        writeln!(
            ui::out(),
            "plain mdadm talks to the kernel's md; mdp2p's commands and `mdp2p mdadm --` talk to md-p2p"
        )?;
    }
    Ok(0)
}

fn unload(sysroot: &Sysroot, dry_run: bool) -> Result<u8> {
    let arrays: Vec<String> = array::all(sysroot)?
        .into_iter()
        .filter(|array| array.driver == Driver::MdP2p)
        .map(|array| array.name)
        .collect();
    if !arrays.is_empty() {
        bail!(
            "md-p2p has arrays: {}; stop them first: mdp2p stop {}",
            arrays.join(", "),
            arrays.join(" ")
        );
    }
    let loaded = modules::loaded(sysroot)?;
    if loaded.is_empty() {
        writeln!(ui::out(), "none of md-p2p's modules is loaded")?;
        return Ok(0);
    }
    // In the order of MODULES: personalities first.
    let step = modprobe("-r", loaded.iter().map(|it| it.name));
    run_all(&[step], dry_run)
}

fn modprobe<'a>(option: &'a str, modules: impl Iterator<Item = &'a str>) -> Step {
    let arguments = std::iter::once(option).chain(modules);
    Step {
        program: "modprobe".into(),
        arguments: arguments.map(OsString::from).collect(),
        package: "kmod",
    }
}

// Signatures.

fn sign(
    sysroot: &Sysroot,
    named: Option<&str>,
    pair: Option<(&Path, &Path)>,
    dry_run: bool,
) -> Result<u8> {
    let release = chosen(sysroot, named)?;
    let installed = modules::installed(sysroot, &release)?;
    if installed.is_empty() {
        bail!(
            "no module of md-p2p is installed for kernel {release}: sudo mdp2p module install \
             --kernel {release}"
        );
    }
    if let Some(packed) = installed.iter().find(|it| it.compression.is_some()) {
        bail!(
            "{}: only plain modules can be signed, and this one is compressed; unpack all of \
             them, or install them again: sudo mdp2p module install --kernel {release}",
            shown(&packed.path)
        );
    }
    let tool = sign_file(sysroot, &release)?;
    let (key, certificate) = match pair {
        Some((key, certificate)) => (key.to_owned(), certificate.to_owned()),
        None => (sysroot.path(KEY), sysroot.path(CERTIFICATE)),
    };
    for file in [&key, &certificate] {
        if !file.is_file() {
            bail!("{}", no_key(file));
        }
    }
    let options = Options::read(sysroot, &release)?;
    let hash = options.as_ref().and_then(|it| it.get("MODULE_SIG_HASH"));
    let (done, todo): (Vec<_>, Vec<_>) = installed.iter().partition(|it| it.signed == Some(true));
    let step = |module: &&Installed| Step {
        program: tool.clone().into(),
        arguments: vec![
            // What kernels are configured with unless told otherwise.
            hash.unwrap_or("sha256").into(),
            key.clone().into(),
            certificate.clone().into(),
            sysroot.path(&module.path).into(),
        ],
        package: "",
    };
    let steps: Vec<Step> = todo.iter().map(step).collect();
    let status = run_all(&steps, dry_run)?;
    if dry_run || status != 0 {
        return Ok(status);
    }
    let mut out = ui::out();
    if !done.is_empty() {
        writeln!(
            out,
            "signed before: {}; for another key, install and sign again",
            done.len()
        )?;
    }
    writeln!(
        out,
        "signed now: {}. If the key is not enrolled yet, have the firmware trust it:\n  \
         mokutil --import {}\n\
         It asks for a password; reboot, and give it to the blue screen that comes up.",
        todo.len(),
        programs::typed([&certificate])
    )?;
    Ok(0)
}

fn sign_file(sysroot: &Sysroot, release: &str) -> Result<PathBuf> {
    let tool = release::headers(sysroot, release)
        .map(|headers| headers.join("scripts/sign-file"))
        .filter(|tool| sysroot.has(tool));
    match tool {
        Some(tool) => Ok(sysroot.path(tool)),
        None => bail!(
            "there is no scripts/sign-file in the headers of kernel {release}; \
             install them: apt install linux-headers-{release}"
        ),
    }
}

fn no_key(file: &Path) -> String {
    format!(
        "{}: there is no such key; name one with --key and --certificate, or make one: \
         openssl req -new -x509 -newkey rsa:2048 -nodes -days 36500 -subj /CN=md-p2p/ \
         -keyout mok.key -outform DER -out mok.pub",
        file.display()
    )
}

// Commands.

/// A command that is run with our own input and output.
#[derive(Debug)]
struct Step {
    program: OsString,
    arguments: Vec<OsString>,
    /// The Debian package that has it; empty if the program is an absolute path.
    package: &'static str,
}

impl fmt::Display for Step {
    /// As one types it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = std::iter::once(&self.program).chain(&self.arguments);
        f.write_str(&programs::typed(words))
    }
}

impl Step {
    /// Runs it; its exit status.
    fn run(&self) -> Result<u8> {
        // Where modprobe is, and su without a dash does not look.
        let program = match Path::new(&self.program).is_absolute() {
            true => Some(PathBuf::from(&self.program)),
            false => programs::program(&self.program.to_string_lossy()),
        };
        let name = self.program.to_string_lossy();
        let Some(program) = program else {
            bail!(
                "{name}: not found; install it: apt install {}",
                self.package
            );
        };
        let status = process::Command::new(program)
            .args(&self.arguments)
            .status()
            .with_context(|| name.into_owned())?;
        Ok(programs::number(status))
    }
}

/// Prints each and, if it is no dry run, runs it; the status of the first that fails.
fn run_all(steps: &[Step], dry_run: bool) -> Result<u8> {
    for step in steps {
        if dry_run {
            writeln!(ui::out(), "{step}")?;
            continue;
        }
        writeln!(ui::out(), "{}", ui::styled(ui::DIM, step))?;
        let status = step.run()?;
        if status != 0 {
            return Ok(status);
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_typed_as_it_is_printed() {
        let step = Step {
            program: "make".into(),
            arguments: ["-C", "/a b/it's", "KVER=7.3.4+deb13-amd64", ""]
                .map(OsString::from)
                .into(),
            package: "make",
        };
        assert_eq!(
            step.to_string(),
            r"make -C '/a b/it'\''s' KVER=7.3.4+deb13-amd64 ''"
        );
    }
}
