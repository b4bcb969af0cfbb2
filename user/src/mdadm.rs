// SPDX-License-Identifier: GPL-2.0
//! `mdp2p mdadm`, and how mdadm is made to talk to md-p2p: it sees other files than the
//! rest of the machine, in a mount namespace of its own.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};

use crate::cli::Mdadm;
use crate::command::{number, program, typed};
use crate::host::Host;
use crate::kernel::{self, Mode};
use crate::show;

/// Runs mdadm with the arguments given; its exit status.
///
/// # Errors
/// If it cannot be run.
pub fn run(host: &Host, options: &Mdadm) -> Result<u8> {
    need_root("run mdadm")?;
    let mdadm = find()?;
    load(host)?;
    execute(host, &mdadm, &options.arguments)
}

/// # Errors
/// If we are not root; `what` says what root is needed to do.
pub fn need_root(what: &str) -> Result<()> {
    if !show::is_root() {
        bail!("only root can {what}: run it with sudo; nothing was changed");
    }
    Ok(())
}

/// Where mdadm is.
///
/// # Errors
/// If it is nowhere.
pub fn find() -> Result<PathBuf> {
    program("mdadm").context(
        "mdadm is not found in PATH, /usr/sbin or /sbin: install the package mdadm; nothing was changed",
    )
}

/// Loads md-p2p, if it is not loaded.
///
/// # Errors
/// If it cannot be loaded; where to get it is said.
pub fn load(host: &Host) -> Result<()> {
    load_module(host, "md-p2p")
}

/// Loads one of md-p2p's modules, if it is not loaded.
///
/// # Errors
/// If it cannot be loaded; where to get it is said.
pub fn load_module(host: &Host, module: &str) -> Result<()> {
    if is_loaded(host, module) {
        return Ok(());
    }
    const HELP: &str = "`mdp2p module status` tells whether it is built and installed for this \
        kernel, and `mdp2p doctor` what is in its way";
    let modprobe = program("modprobe").with_context(|| {
        format!("{module} is not loaded, and modprobe is not found: install kmod")
    })?;
    let output = Command::new(&modprobe)
        .arg(module)
        .stdin(Stdio::null())
        .output()
        .with_context(|| modprobe.display().to_string())?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{module} cannot be loaded: {}; {HELP}",
            one_line(&complaint).unwrap_or_else(|| output.status.to_string())
        );
    }
    if !is_loaded(host, module) {
        bail!("modprobe says that it has loaded {module}, but it is not there; {HELP}");
    }
    Ok(())
}

/// Whether a module is loaded.
pub fn is_loaded(host: &Host, module: &str) -> bool {
    host.has(format!("sys/module/{}", module.replace('-', "_")))
}

fn one_line(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    Some(lines.join("; ")).filter(|line| !line.is_empty())
}

/// Runs `mdadm` so that it talks to md-p2p, which is loaded; its exit status, or 128 and the
/// number of the signal that ended it. What it reads and prints is ours.
///
/// # Errors
/// If it cannot be run.
pub fn execute(host: &Host, mdadm: &Path, arguments: &[OsString]) -> Result<u8> {
    let mut command = Command::new(mdadm);
    command.args(arguments);
    let status = View::of(host).run(command)?;
    Ok(number(status))
}

/// What a program is shown in place of what is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Files and folders, and over what they are put.
    pub binds: Vec<(PathBuf, PathBuf)>,
}

impl View {
    /// What mdadm has to see on `host`, so that md-p2p is its md: `/proc/mdstat` for what
    /// runs, and `/sys/module/md_mod/parameters/new_array` for arrays to be made by name.
    ///
    /// If md-p2p is the only md, it has these names already.
    pub fn of(host: &Host) -> Self {
        let binds = match kernel::mode(host) {
            Some(Mode::Beside) => vec![
                (host.path("proc/mdstat-p2p"), host.path("proc/mdstat")),
                (
                    host.path("sys/module/md_p2p"),
                    host.path("sys/module/md_mod"),
                ),
            ],
            _ => Vec::new(),
        };
        Self { binds }
    }

    /// Runs a program that sees it, and waits for its end.
    ///
    /// Nothing of it leaks into the machine. A mount namespace belongs to a thread
    /// (unshare(2)), so one thread goes into a new one, and the program, its child, inherits
    /// that; the others of ours stay where they are. There all mounts are slaves of the
    /// machine's first: what is mounted in there stays in there, while an unmount out here
    /// gets in, so that no filesystem is kept busy by a long `mdadm --monitor`. With the last
    /// process in it the namespace goes, and all that was mounted in it.
    ///
    /// An interrupt from the terminal goes to both. It is the program's to deal with: we wait
    /// for its end, and then we die of it if it did, as a shell does.
    ///
    /// # Errors
    /// If the namespace cannot be made, or the program cannot be started.
    pub fn run(&self, command: Command) -> Result<ExitStatus> {
        let interrupts = interrupts();
        let (status, mask) = thread::scope(|scope| {
            let within = scope.spawn(|| {
                let mut child = self.start(command)?;
                // Not before: the child would inherit it.
                block(&interrupts)?;
                child.wait().context("waiting for mdadm")
            });
            // Not before: the thread would inherit it.
            let mask = block(&interrupts);
            (within.join(), mask)
        });
        // What has come meanwhile comes now.
        mask?.thread_set_mask().context("signals")?;
        status.map_err(|_| anyhow!("the thread that runs mdadm has panicked"))?
    }

    fn start(&self, mut command: Command) -> Result<Child> {
        if !self.binds.is_empty() {
            self.enter()?;
        }
        command
            .spawn()
            .with_context(|| command.get_program().to_string_lossy().into_owned())
    }

    /// Takes the calling thread into a namespace where things look like this.
    fn enter(&self) -> Result<()> {
        unshare(CloneFlags::CLONE_NEWNS).map_err(|errno| match errno {
            Errno::EPERM => anyhow!(
                "a mount namespace is not allowed here; in a container it takes CAP_SYS_ADMIN"
            ),
            errno => anyhow!("a mount namespace cannot be made: {}", errno.desc()),
        })?;
        let slaves = MsFlags::MS_SLAVE | MsFlags::MS_REC;
        mount(None::<&str>, "/", None::<&str>, slaves, None::<&str>)
            .context("making the mounts of the namespace its own")?;
        for (from, to) in &self.binds {
            bind(from, to)?;
        }
        Ok(())
    }
}

fn bind(from: &Path, to: &Path) -> Result<()> {
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .with_context(|| format!("putting {} over {}", from.display(), to.display()))
}

fn interrupts() -> SigSet {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGQUIT);
    signals
}

/// Holds signals back from this thread; what it held back before.
fn block(signals: &SigSet) -> Result<SigSet> {
    signals
        .thread_swap_mask(SigmaskHow::SIG_BLOCK)
        .context("holding signals back")
}

/// The arguments of mdadm, shown in place of being run: `--dry-run`.
///
/// # Errors
/// If standard output takes no more.
pub fn show_instead(arguments: &[OsString]) -> Result<u8> {
    let words = std::iter::once(OsStr::new("mdadm")).chain(arguments.iter().map(AsRef::as_ref));
    writeln!(show::out(), "{}", typed(words))?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::put;

    fn host(files: &[&str]) -> (tempfile::TempDir, Host) {
        let root = tempfile::tempdir().expect("a folder");
        for file in files {
            put(root.path(), file, "");
        }
        let host = Host::at(root.path()).expect("a host");
        (root, host)
    }

    #[test]
    fn beside_the_kernels_md_two_things_are_covered() {
        let (_root, host) = host(&[
            "proc/mdstat-p2p",
            "sys/module/md_mod/version",
            "sys/module/md_p2p/version",
        ]);
        let view = View::of(&host);
        assert_eq!(
            view.binds,
            [
                (host.path("proc/mdstat-p2p"), host.path("proc/mdstat")),
                (
                    host.path("sys/module/md_p2p"),
                    host.path("sys/module/md_mod")
                ),
            ]
        );
    }

    #[test]
    fn where_md_p2p_is_alone_nothing_is() {
        let (_root, host) = host(&["sys/module/md_mod/parameters", "sys/module/md_p2p/version"]);
        assert_eq!(View::of(&host).binds, []);
    }

    #[test]
    fn a_module_is_known_by_its_folder() {
        let (_root, host) = host(&["sys/module/raid1_p2p/version"]);
        assert!(is_loaded(&host, "raid1-p2p"));
        assert!(!is_loaded(&host, "raid10-p2p"));
        assert!(load_module(&host, "raid1-p2p").is_ok());
    }

    #[test]
    fn a_program_that_cannot_be_started_is_named_and_no_signal_stays_blocked() {
        let before = SigSet::thread_get_mask().expect("a mask");
        let ended = View::default().run(Command::new("/nowhere/mdadm"));
        // Where a namespace is not allowed, that is the error.
        let error = format!("{:#}", ended.expect_err("no such program"));
        assert!(
            error.contains("/nowhere/mdadm") || error.contains("namespace"),
            "{error}"
        );
        assert_eq!(SigSet::thread_get_mask().expect("a mask"), before);
    }
}
