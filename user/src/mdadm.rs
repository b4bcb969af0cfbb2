// SPDX-License-Identifier: GPL-2.0
//! `mdp2p mdadm`, and how mdadm is made to talk to md-p2p: it sees other files than the
//! rest of the machine, in a mount namespace of its own.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use tempfile::NamedTempFile;

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
    let status = View::of(host, arguments)?.run(command)?;
    Ok(number(status))
}

/// Where mdadm writes down what its arrays are called, and which it is about to make.
const NOTES: &str = "run/mdadm";

/// The same for md-p2p's arrays, beside the kernel's md.
const OUR_NOTES: &str = "run/md-p2p/mdadm";

/// In there: a line `md0 1.2 UUID /dev/md/data` for each array.
pub const OUR_MAP: &str = "run/md-p2p/mdadm/map";

/// What mdadm reads, one of them.
const CONFIGS: [&str; 2] = ["etc/mdadm/mdadm.conf", "etc/mdadm.conf"];

/// What a program is shown in place of what is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Files and folders, and over what they are put.
    pub binds: Vec<(PathBuf, PathBuf)>,
    /// What files are to hold.
    pub texts: Vec<(String, PathBuf)>,
    /// The folder where that is written.
    pub scratch: PathBuf,
}

impl View {
    /// What mdadm has to see on `host` if it is run with these arguments, so that md-p2p is its
    /// md. If md-p2p is the only one, it is that already.
    ///
    /// Beside the kernel's md, that is `/proc/mdstat` for what runs,
    /// `/sys/module/md_mod/parameters/new_array` for arrays to be made by name, and a folder of its
    /// own for notes. If it may choose a number for an array, more of it, see
    /// [`Self::for_numbers`].
    ///
    /// # Errors
    /// If there can be no such folder, or what is there cannot be read.
    pub fn of(host: &Host, arguments: &[OsString]) -> Result<Self> {
        if kernel::mode(host) != Some(Mode::Beside) {
            return Ok(Self::default());
        }
        make_notes(host)?;
        let bind = |from: &str, to: &str| (host.path(from), host.path(to));
        let mut view = Self {
            binds: vec![
                bind("sys/module/md_p2p", "sys/module/md_mod"),
                bind(OUR_NOTES, NOTES),
            ],
            texts: Vec::new(),
            scratch: host.path(OUR_NOTES),
        };
        match makes_arrays(arguments) {
            true => view.for_numbers(host)?,
            false => view.binds.push(bind("proc/mdstat-p2p", "proc/mdstat")),
        }
        Ok(view)
    }

    /// mdadm takes an array that has the number it wants for a leftover, and stops it. So it is
    /// told of the kernel's md's too. It does not watch this file while it makes an array, so it
    /// may be one that does not change.
    ///
    /// And the kernel's mdadm, which does not see ours, is not to want a number that we have: where
    /// it is for mdadm to choose one, it counts down from 127, and on from 511 if those below 128
    /// are spoken for in its configuration. They are, for arrays that nobody has.
    fn for_numbers(&mut self, host: &Host) -> Result<()> {
        let (ours, theirs) = (host.read("proc/mdstat-p2p")?, host.read("proc/mdstat")?);
        self.texts
            .push((format!("{ours}\n{theirs}\n"), host.path("proc/mdstat")));
        for config in CONFIGS {
            if let Some(mut text) = host.read_if(config)? {
                for number in 0..128 {
                    text += &format!(
                        "\nARRAY <ignore> UUID=6d642d70:32700000:00000000:{number:08x} \
                         super-minor={number}"
                    );
                }
                self.texts.push((text + "\n", host.path(config)));
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

/// Whether mdadm may make an array, and choose its number.
fn makes_arrays(arguments: &[OsString]) -> bool {
    const MODES: [&str; 4] = ["--create", "--assemble", "--build", "--incremental"];
    let is_one = |word: &OsString| {
        let word = word.to_string_lossy();
        let is_long = word.len() > 3 && MODES.iter().any(|mode| mode.starts_with(&*word));
        is_long
            || ["-C", "-A", "-B", "-I"]
                .iter()
                .any(|mode| word.starts_with(mode))
    };
    arguments.iter().any(is_one)
}

/// Makes the folder for mdadm's notes. Those of arrays that were made while md-p2p was alone are
/// taken along.
fn make_notes(host: &Host) -> Result<()> {
    for folder in [OUR_NOTES, NOTES].map(|folder| host.path(folder)) {
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    let path = host.path(OUR_MAP);
    let mut file = match File::create_new(&path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        file => file.with_context(|| path.display().to_string())?,
    };
    let map = host.read_if(Path::new(NOTES).join("map"))?;
    let is_ours = |line: &&str| {
        let name = line.split_whitespace().next().unwrap_or_default();
        host.has(format!("sys/block/{name}/md/p2pdma_state"))
    };
    let map = map.unwrap_or_default();
    let lines = map.lines().filter(is_ours).map(|line| format!("{line}\n"));
    file.write_all(lines.collect::<String>().as_bytes())
        .with_context(|| path.display().to_string())
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

    fn beside() -> (tempfile::TempDir, Host) {
        let (root, host) = host(&["sys/module/md_mod/version", "sys/module/md_p2p/version"]);
        put(root.path(), "proc/mdstat-p2p", "md1 : active raid1\n");
        put(root.path(), "proc/mdstat", "md0 : active raid1\n");
        (root, host)
    }

    fn view(host: &Host, words: &[&str]) -> View {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        View::of(host, &words).expect("a view")
    }

    #[test]
    fn beside_the_kernels_md_three_things_are_covered() {
        let (_root, host) = beside();
        let bind = |from: &str, to: &str| (host.path(from), host.path(to));
        let view = view(&host, &["--detail", "/dev/md0"]);
        assert_eq!(
            view.binds,
            [
                bind("sys/module/md_p2p", "sys/module/md_mod"),
                bind("run/md-p2p/mdadm", "run/mdadm"),
                bind("proc/mdstat-p2p", "proc/mdstat"),
            ]
        );
        assert_eq!(view.texts, []);
        assert!(host.has("run/md-p2p/mdadm/map") && host.has("run/mdadm"));
    }

    #[test]
    fn where_numbers_are_chosen_both_mds_arrays_are_seen_and_small_ones_are_spoken_for() {
        let (root, host) = beside();
        let mdstat = "md1 : active raid1\nmd0 : active raid1\n".to_owned();
        let create = || view(&host, &["-v", "--create", "/dev/md/data"]);
        assert_eq!(create().texts, [(mdstat, host.path("proc/mdstat"))]);
        assert_eq!(create().binds.len(), 2);
        let config = "etc/mdadm.conf";
        put(root.path(), config, "MAILADDR root\nCREATE\n mode=0640");
        let (text, over) = &create().texts[1];
        assert_eq!(over, &host.path(config));
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
    fn what_was_noted_while_md_p2p_was_alone_is_taken_along_once() {
        let (root, host) = beside();
        put(root.path(), "sys/block/md1/md/p2pdma_state", "");
        put(root.path(), "sys/block/md0/md/level", "");
        let (ours, theirs) = ("md1 1.2 1:2:3:4 /dev/md/a\n", "md0 1.2 5:6:7:8 /dev/md/b\n");
        put(root.path(), "run/mdadm/map", &format!("{theirs}{ours}"));
        let map = || {
            view(&host, &[]);
            fs::read_to_string(host.path(OUR_MAP)).expect("a map")
        };
        assert_eq!(map(), ours);
        put(root.path(), OUR_MAP, "");
        assert_eq!(map(), "");
    }

    #[test]
    fn where_md_p2p_is_alone_nothing_is() {
        let (_root, host) = host(&["sys/module/md_mod/parameters", "sys/module/md_p2p/version"]);
        assert_eq!(view(&host, &["--create"]), View::default());
        assert!(!host.has("run"));
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
