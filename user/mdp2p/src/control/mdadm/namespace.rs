// SPDX-License-Identifier: GPL-2.0
//! Makes mdadm see other files than the rest of the machine, in a mount namespace of its own, so
//! that md-p2p is its md.
//!
//! Tests: below, and tests/mdadm.rs.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::thread;

use anyhow::{Context, Result, anyhow};
use mdp2p_machine::kernel::modules::{self, Mode};
use mdp2p_machine::sysroot::Sysroot;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use tempfile::NamedTempFile;

use super::notes::{NOTES, OUR_NOTES, prepare_notes};

/// The configuration files of mdadm; it reads one of them.
const CONFIGS: [&str; 2] = ["etc/mdadm/mdadm.conf", "etc/mdadm.conf"];

/// What a program sees in place of the machine's files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// Pairs of files or folders: the first is mounted over the second.
    pub binds: Vec<(PathBuf, PathBuf)>,
    /// Texts, and the files that they are mounted over.
    pub texts: Vec<(String, PathBuf)>,
    /// The folder where the texts are written.
    pub scratch: PathBuf,
}

impl Namespace {
    /// Returns what mdadm must see, if it is run with these arguments, so that md-p2p is its md. If
    /// md-p2p is the only md, mdadm sees it anyway.
    ///
    /// Beside the kernel's md, mdadm must see three other things: `/proc/mdstat` for the running
    /// arrays, `/sys/module/md_mod/parameters/new_array` to make arrays by name, and a folder of
    /// its own for notes.
    ///
    /// When mdadm makes an array, it stops any array that has the number it wants, because it takes
    /// it for a leftover. So in that case `/proc/mdstat` also lists the arrays of the kernel's md.
    ///
    /// # Errors
    /// Fails if the folder cannot be made, or if a file cannot be read.
    pub fn of(sysroot: &Sysroot, arguments: &[OsString]) -> Result<Self> {
        if modules::mode(sysroot) != Some(Mode::Beside) {
            return Ok(Self::default());
        }
        prepare_notes(sysroot)?;
        let bind = |from: &str, to: &str| (sysroot.path(from), sysroot.path(to));
        let mut namespace = Self {
            binds: vec![
                bind("sys/module/md_p2p", "sys/module/md_mod"),
                bind(OUR_NOTES, NOTES),
            ],
            texts: Vec::new(),
            scratch: sysroot.path(OUR_NOTES),
        };
        let mdstat = match may_make_arrays(arguments) {
            true => "proc/mdstat-p2p-numbers",
            false => "proc/mdstat-p2p",
        };
        namespace.binds.push(bind(mdstat, "proc/mdstat"));
        if may_make_arrays(arguments) {
            namespace.reserve_numbers(sysroot)?;
        }
        Ok(namespace)
    }

    /// Reserves the numbers below 128 in mdadm's configuration, for arrays that do not exist. The
    /// mdadm of the kernel's md does not see our arrays, and must not choose one of our numbers.
    /// mdadm counts down from 127 to choose a number, and from 511 if those are reserved.
    fn reserve_numbers(&mut self, sysroot: &Sysroot) -> Result<()> {
        for config in CONFIGS {
            if let Some(mut text) = sysroot.lines_if(config)? {
                for number in 0..128 {
                    text += &format!(
                        "\nARRAY <ignore> UUID=6d642d70:32700000:00000000:{number:08x} \
                         super-minor={number}"
                    );
                }
                self.texts.push((text + "\n", sysroot.path(config)));
            }
        }
        Ok(())
    }

    /// Runs a program that sees these files, and waits until it ends.
    ///
    /// Nothing leaks into the machine. A mount namespace belongs to a thread (unshare(2)): one
    /// thread enters a new namespace, and its child inherits it. Our other threads stay where they
    /// are. In the namespace all mounts are slaves of the machine's. What is mounted inside stays
    /// inside, but an unmount outside also takes effect inside, so that a long `mdadm --monitor`
    /// keeps no filesystem busy. The namespace and its mounts vanish with the last process in it.
    ///
    /// An interrupt from the terminal goes to mdadm and to us. mdadm decides what to do: we wait
    /// until it ends, and then die of the interrupt if mdadm did, as a shell does.
    ///
    /// # Errors
    /// Fails if the namespace cannot be made, or if the program cannot be started.
    pub fn run(&self, command: Command) -> Result<ExitStatus> {
        let interrupts = interrupts();
        let (status, mask) = thread::scope(|scope| {
            let within = scope.spawn(|| {
                let mut child = self.start(command)?;
                // Not earlier, because the child would inherit the mask.
                block(&interrupts)?;
                child.wait().context("waiting for mdadm")
            });
            // Not earlier, because the thread would inherit the mask.
            let mask = block(&interrupts);
            (within.join(), mask)
        });
        // Signals that arrived meanwhile are delivered now.
        mask?.thread_set_mask().context("signals")?;
        status.map_err(|_| anyhow!("the thread that runs mdadm has panicked"))?
    }

    fn start(&self, mut command: Command) -> Result<Child> {
        if *self != Self::default() {
            self.enter()?;
            // A service that systemd starts for mdadm would not be in this namespace.
            command.env("MDADM_NO_SYSTEMCTL", "1");
        }
        command
            .spawn()
            .with_context(|| command.get_program().to_string_lossy().into_owned())
    }

    /// Moves the calling thread into a namespace with these files.
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
        for (text, to) in &self.texts {
            // The file vanishes with its last mount.
            let written = || {
                let mut file = NamedTempFile::new_in(&self.scratch)?;
                file.write_all(text.as_bytes())?;
                io::Result::Ok(file)
            };
            let file = written().with_context(|| self.scratch.display().to_string())?;
            bind(file.path(), to)?;
        }
        Ok(())
    }
}

/// Tells whether mdadm may make an array.
fn may_make_arrays(arguments: &[OsString]) -> bool {
    let has = |long: &str, short: char| {
        arguments.iter().any(|word| {
            let word = word.to_string_lossy();
            let is_long = word.len() > 3 && long.starts_with(&*word);
            // The word may be the value of an option: then mdadm sees more than it needs.
            is_long || (word.starts_with('-') && !word.starts_with("--") && word.contains(short))
        })
    };
    let adds = || !has("--fail", 'f') && !has("--rebuild-map", 'r');
    has("--create", 'C')
        || has("--assemble", 'A')
        || has("--build", 'B')
        || (has("--incremental", 'I') && adds())
}

fn bind(from: &Path, to: &Path) -> Result<()> {
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .with_context(|| format!("mounting {} over {}", from.display(), to.display()))
}

fn interrupts() -> SigSet {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGQUIT);
    signals
}

/// Blocks signals for this thread, and returns the mask that was set before.
fn block(signals: &SigSet) -> Result<SigSet> {
    signals
        .thread_swap_mask(SigmaskHow::SIG_BLOCK)
        .context("blocking signals")
}

#[cfg(test)]
mod tests {
    use super::*;
    use mdp2p_machine::testing::put;

    fn sysroot(files: &[&str]) -> (tempfile::TempDir, Sysroot) {
        let root = tempfile::tempdir().expect("a folder");
        for file in files {
            put(root.path(), file, "");
        }
        let sysroot = Sysroot::at(root.path()).expect("a host");
        (root, sysroot)
    }

    fn beside() -> (tempfile::TempDir, Sysroot) {
        let (root, sysroot) = sysroot(&["sys/module/md_mod/version", "sys/module/md_p2p/version"]);
        put(root.path(), "proc/mdstat-p2p", "");
        (root, sysroot)
    }

    fn namespace(sysroot: &Sysroot, words: &[&str]) -> Namespace {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        Namespace::of(sysroot, &words).expect("a namespace")
    }

    #[test]
    fn beside_the_kernels_md_three_things_are_covered() {
        let (_root, sysroot) = beside();
        let bind = |from: &str, to: &str| (sysroot.path(from), sysroot.path(to));
        let namespace = namespace(&sysroot, &["--detail", "/dev/md0"]);
        assert_eq!(
            namespace.binds,
            [
                bind("sys/module/md_p2p", "sys/module/md_mod"),
                bind("run/md-p2p/mdadm", "run/mdadm"),
                bind("proc/mdstat-p2p", "proc/mdstat"),
            ]
        );
        assert_eq!(namespace.texts, []);
        assert!(sysroot.has("run/md-p2p/mdadm/map") && sysroot.has("run/mdadm"));
    }

    #[test]
    fn where_numbers_are_chosen_those_of_both_are_seen_and_small_ones_are_spoken_for() {
        let (root, sysroot) = beside();
        let create = || namespace(&sysroot, &["-v", "--create", "/dev/md/data"]);
        assert_eq!(create().texts, []);
        let numbers = (
            sysroot.path("proc/mdstat-p2p-numbers"),
            sysroot.path("proc/mdstat"),
        );
        assert_eq!(create().binds.last(), Some(&numbers));
        let config = "etc/mdadm.conf";
        put(root.path(), config, "MAILADDR root\nCREATE\n mode=0640");
        let (text, over) = &create().texts[0];
        assert_eq!(over, &sysroot.path(config));
        let mut lines = text.lines();
        for line in ["MAILADDR root", "CREATE", " mode=0640"] {
            assert_eq!(lines.next(), Some(line));
        }
        for number in 0..128 {
            let line = lines.next().expect("a line");
            assert!(line.starts_with("ARRAY <ignore> UUID=6d642d70:"), "{line}");
            assert!(line.ends_with(&format!(" super-minor={number}")), "{line}");
        }
        assert_eq!(lines.next(), None);
    }

    #[test]
    fn what_makes_arrays_is_known_by_its_mode() {
        for (words, expected) in [
            (&["--create", "/dev/md0"][..], true),
            (&["--ass", "--scan"], true),
            (&["-Av"], true),
            (&["-q", "-I", "/dev/sda"], true),
            (&["--build"], true),
            (&["-vA"], true),
            (&["-qI", "/dev/sda"], true),
            (&["-vC"], true),
            (&["--assemble", "--force", "--scan"], true),
            (&["--incremental", "--fail", "sda"], false),
            (&["-If", "sda"], false),
            (&["--incremental", "--rebuild-map"], false),
            (&["-Ir"], false),
            (&["--detail", "/dev/md0"], false),
            (&["/dev/md0", "--add", "/dev/sda"], false),
            (&["--monitor", "--scan"], false),
            (&["--grow", "/dev/md0", "--assume-clean"], false),
            (&["--", "-D"], false),
            (&[], false),
        ] {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            assert_eq!(may_make_arrays(&words), expected, "{words:?}");
        }
    }

    #[test]
    fn where_md_p2p_is_alone_nothing_is() {
        let (_root, sysroot) =
            sysroot(&["sys/module/md_mod/parameters", "sys/module/md_p2p/version"]);
        assert_eq!(namespace(&sysroot, &["--create"]), Namespace::default());
        assert!(!sysroot.has("run"));
    }

    #[test]
    fn a_program_that_cannot_be_started_is_named_and_no_signal_stays_blocked() {
        let before = SigSet::thread_get_mask().expect("a mask");
        let ended = Namespace::default().run(Command::new("/nowhere/mdadm"));
        // Without permission for namespaces, the error is about that.
        let error = format!("{:#}", ended.expect_err("no such program"));
        assert!(
            error.contains("/nowhere/mdadm") || error.contains("namespace"),
            "{error}"
        );
        assert_eq!(SigSet::thread_get_mask().expect("a mask"), before);
    }
}
