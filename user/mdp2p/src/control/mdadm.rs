// SPDX-License-Identifier: GPL-2.0
//! `mdp2p mdadm`, and how mdadm is made to talk to md-p2p: it sees other files than the
//! rest of the machine, in a mount namespace of its own.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::thread;

use anyhow::{Context, Result, anyhow};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use tempfile::NamedTempFile;

use crate::control::file;
use crate::ui;
use mdp2p_machine::kernel::modules::{self, Mode};
use mdp2p_machine::programs::{number, program, typed};
use mdp2p_machine::sysroot::Sysroot;

/// Where mdadm is.
///
/// # Errors
/// If it is nowhere.
pub fn find() -> Result<PathBuf> {
    program("mdadm").context(
        "mdadm is not found in PATH, /usr/sbin or /sbin: install the package mdadm; nothing was changed",
    )
}

/// Runs `mdadm` so that it talks to md-p2p, which is loaded; its exit status, or 128 and the
/// number of the signal that ended it. What it reads and prints is ours.
///
/// # Errors
/// If it cannot be run.
pub fn execute(sysroot: &Sysroot, mdadm: &Path, arguments: &[OsString]) -> Result<u8> {
    let mut command = Command::new(mdadm);
    command.args(arguments);
    let status = Namespace::of(sysroot, arguments)?.run(command)?;
    Ok(number(status))
}

/// Where mdadm writes down what its arrays are called, and which it is about to make.
const NOTES: &str = "run/mdadm";

/// In there: a line `md0 1.2 UUID /dev/md/data` for each array.
pub const MAP: &str = "run/mdadm/map";

/// The same for md-p2p's arrays, beside the kernel's md.
const OUR_NOTES: &str = "run/md-p2p/mdadm";

/// And their map.
pub const OUR_MAP: &str = "run/md-p2p/mdadm/map";

/// What mdadm reads, one of them.
const CONFIGS: [&str; 2] = ["etc/mdadm/mdadm.conf", "etc/mdadm.conf"];

/// What a program is shown in place of what is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// Files and folders, and over what they are put.
    pub binds: Vec<(PathBuf, PathBuf)>,
    /// What files are to hold.
    pub texts: Vec<(String, PathBuf)>,
    /// The folder where that is written.
    pub scratch: PathBuf,
}

impl Namespace {
    /// What mdadm has to see on `host` if it is run with these arguments, so that md-p2p is its
    /// md. If md-p2p is the only one, it is that already.
    ///
    /// Beside the kernel's md, that is `/proc/mdstat` for what runs,
    /// `/sys/module/md_mod/parameters/new_array` for arrays to be made by name, and a folder of its
    /// own for notes.
    ///
    /// Where it makes arrays, it takes one that has the number it wants for a leftover, and stops
    /// it. So there `/proc/mdstat` has the kernel's md's too.
    ///
    /// # Errors
    /// If there can be no such folder, or what is there cannot be read.
    pub fn of(sysroot: &Sysroot, arguments: &[OsString]) -> Result<Self> {
        if modules::mode(sysroot) != Some(Mode::Beside) {
            return Ok(Self::default());
        }
        make_notes(sysroot)?;
        let bind = |from: &str, to: &str| (sysroot.path(from), sysroot.path(to));
        let mut view = Self {
            binds: vec![
                bind("sys/module/md_p2p", "sys/module/md_mod"),
                bind(OUR_NOTES, NOTES),
            ],
            texts: Vec::new(),
            scratch: sysroot.path(OUR_NOTES),
        };
        let mdstat = match makes_arrays(arguments) {
            true => "proc/mdstat-p2p-numbers",
            false => "proc/mdstat-p2p",
        };
        view.binds.push(bind(mdstat, "proc/mdstat"));
        if makes_arrays(arguments) {
            view.speak_for_numbers(sysroot)?;
        }
        Ok(view)
    }

    /// The kernel's mdadm, which does not see ours, is not to want a number that we have: where it
    /// is for mdadm to choose one, it counts down from 127, and on from 511 if those below 128 are
    /// spoken for in its configuration. They are, for arrays that nobody has.
    fn speak_for_numbers(&mut self, sysroot: &Sysroot) -> Result<()> {
        for config in CONFIGS {
            if let Some(mut text) = sysroot.read_if(config)? {
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
        if *self != Self::default() {
            self.enter()?;
            // What systemd would run for mdadm sees nothing of this.
            command.env("MDADM_NO_SYSTEMCTL", "1");
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
        for (text, to) in &self.texts {
            // It goes with the last mount of it.
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

/// Whether mdadm may make an array.
fn makes_arrays(arguments: &[OsString]) -> bool {
    let has = |long: &str, short: char| {
        arguments.iter().any(|word| {
            let word = word.to_string_lossy();
            let is_long = word.len() > 3 && long.starts_with(&*word);
            // Some may be the value of one before: then it is shown more than it needs.
            is_long || (word.starts_with('-') && !word.starts_with("--") && word.contains(short))
        })
    };
    let adds = || !has("--fail", 'f') && !has("--rebuild-map", 'r');
    has("--create", 'C')
        || has("--assemble", 'A')
        || has("--build", 'B')
        || (has("--incremental", 'I') && adds())
}

/// Makes the folder for mdadm's notes. Those of arrays that were made while md-p2p was alone are
/// taken along.
fn make_notes(sysroot: &Sysroot) -> Result<()> {
    for folder in [OUR_NOTES, NOTES].map(|folder| sysroot.path(folder)) {
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    let merged = || {
        let ours = sysroot.read_if(OUR_MAP)?;
        let theirs = sysroot.read_if(MAP)?.unwrap_or_default();
        anyhow::Ok(merged(sysroot, ours.as_deref(), &theirs))
    };
    if merged()?.is_none() {
        return Ok(());
    }
    let path = sysroot.path(OUR_NOTES).join("map.lock");
    let lock = lock_map(&path)?;
    if let Some(map) = merged()? {
        file::replace(&sysroot.path(OUR_MAP), &map)?;
    }
    // Whoever waits for this one sees that, and takes another.
    fs::remove_file(&path).with_context(|| path.display().to_string())?;
    drop(lock);
    Ok(())
}

/// Our map with those lines of the other that are about our arrays; none if there is nothing to
/// add. A map that is not there mdadm would make of all arrays that it sees.
fn merged(sysroot: &Sysroot, ours: Option<&str>, theirs: &str) -> Option<String> {
    let name = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let is_new = |line: &&str| {
        let Some(name_of_it) = name(line) else {
            return false;
        };
        let is_there = ours.is_some_and(|map| {
            map.lines()
                .any(|line| name(line).as_ref() == Some(&name_of_it))
        });
        !is_there && sysroot.has(format!("sys/block/{name_of_it}/md/p2pdma_state"))
    };
    let new: Vec<&str> = theirs.lines().filter(is_new).collect();
    if new.is_empty() && ours.is_some() {
        return None;
    }
    let lines = ours.unwrap_or_default().lines().chain(new);
    Some(lines.map(|line| format!("{line}\n")).collect())
}

/// As mdadm locks its map.
fn lock_map(path: &Path) -> Result<Flock<File>> {
    loop {
        let file = File::create(path).with_context(|| path.display().to_string())?;
        let lock = Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, errno)| anyhow!("{}: {}", path.display(), errno.desc()))?;
        if lock.metadata().context("the lock of mdadm's map")?.nlink() > 0 {
            return Ok(lock);
        }
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
    writeln!(ui::out(), "{}", typed(words))?;
    Ok(0)
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

    fn view(sysroot: &Sysroot, words: &[&str]) -> Namespace {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        Namespace::of(sysroot, &words).expect("a view")
    }

    #[test]
    fn beside_the_kernels_md_three_things_are_covered() {
        let (_root, sysroot) = beside();
        let bind = |from: &str, to: &str| (sysroot.path(from), sysroot.path(to));
        let view = view(&sysroot, &["--detail", "/dev/md0"]);
        assert_eq!(
            view.binds,
            [
                bind("sys/module/md_p2p", "sys/module/md_mod"),
                bind("run/md-p2p/mdadm", "run/mdadm"),
                bind("proc/mdstat-p2p", "proc/mdstat"),
            ]
        );
        assert_eq!(view.texts, []);
        assert!(sysroot.has("run/md-p2p/mdadm/map") && sysroot.has("run/mdadm"));
    }

    #[test]
    fn where_numbers_are_chosen_those_of_both_are_seen_and_small_ones_are_spoken_for() {
        let (root, sysroot) = beside();
        let create = || view(&sysroot, &["-v", "--create", "/dev/md/data"]);
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
            assert_eq!(makes_arrays(&words), expected, "{words:?}");
        }
    }

    #[test]
    fn what_was_noted_while_md_p2p_was_alone_is_taken_along() {
        let (root, sysroot) = beside();
        put(root.path(), "sys/block/md1/md/p2pdma_state", "");
        put(root.path(), "sys/block/md0/md/level", "");
        let (ours, theirs) = ("md1 1.2 1:2:3:4 /dev/md/a\n", "md0 1.2 5:6:7:8 /dev/md/b\n");
        put(root.path(), "run/mdadm/map", &format!("{theirs}{ours}"));
        let map = || {
            view(&sysroot, &[]);
            fs::read_to_string(sysroot.path(OUR_MAP)).expect("a map")
        };
        assert_eq!(map(), ours);
        let changed = "md1 1.2 1:2:3:4 /dev/md/c\n";
        put(root.path(), OUR_MAP, changed);
        assert_eq!(map(), changed);
        put(root.path(), "sys/block/md2/md/p2pdma_state", "");
        let other = "md2 1.2 1:2:3:5 /dev/md/d\n";
        put(root.path(), MAP, &format!("{other}{theirs}"));
        assert_eq!(map(), format!("{changed}{other}"));
    }

    #[test]
    fn where_md_p2p_is_alone_nothing_is() {
        let (_root, sysroot) =
            sysroot(&["sys/module/md_mod/parameters", "sys/module/md_p2p/version"]);
        assert_eq!(view(&sysroot, &["--create"]), Namespace::default());
        assert!(!sysroot.has("run"));
    }

    #[test]
    fn a_program_that_cannot_be_started_is_named_and_no_signal_stays_blocked() {
        let before = SigSet::thread_get_mask().expect("a mask");
        let ended = Namespace::default().run(Command::new("/nowhere/mdadm"));
        // Where a namespace is not allowed, that is the error.
        let error = format!("{:#}", ended.expect_err("no such program"));
        assert!(
            error.contains("/nowhere/mdadm") || error.contains("namespace"),
            "{error}"
        );
        assert_eq!(SigSet::thread_get_mask().expect("a mask"), before);
    }
}
