// SPDX-License-Identifier: GPL-2.0
//! Runs a command inside the environment: in a mount namespace, a `chroot` and, for a user who
//! is not root, a user namespace.
//!
//! [`Enter`] collects what the command will see, and turns into an ordinary [`Command`], so that
//! callers set its input, output and arguments as usual.

use std::ffi::{CStr, CString, OsStr};
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Gid, Uid, User, fork};

use super::host;

/// The number of user and group ids that are the environment's own.
const IDS: u32 = 65536;

/// The user that a command runs as inside the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The environment's own root, which may change the environment.
    Root,
    /// The caller. The environment is read-only, and new files belong to the caller.
    Caller,
}

/// What a command in the environment will see.
#[derive(Debug)]
pub struct Enter {
    who: Who,
    root: PathBuf,
    cwd: CString,
    steps: Vec<Step>,
    kept: Vec<RawFd>,
}

/// One system call that enters the environment, ready to be made after `fork`, when nothing may
/// be allocated.
#[derive(Debug)]
enum Step {
    Folder(CString),
    Bind {
        from: CString,
        to: CString,
        writable: bool,
    },
    Tmpfs(CString),
    Overlay {
        to: CString,
        options: CString,
    },
}

impl Enter {
    /// Prepares a command in the Debian system at `root`, with this machine's `/dev`, `/proc`
    /// and folders for temporary files.
    pub fn new(root: &Path, who: Who) -> Result<Self> {
        let mut enter = Self {
            who,
            root: root.to_owned(),
            cwd: CString::from(c"/"),
            steps: Vec::new(),
            kept: Vec::new(),
        };
        enter.add(root, Path::new("/"), who == Who::Root)?;
        enter.add_machine()?;
        Ok(enter)
    }

    /// Prepares a command of root in a copy of the system at `root`. Changes go to the folders
    /// `upper` and `work` in `changes`.
    pub fn copy(root: &Path, changes: &Path) -> Result<Self> {
        let mut enter = Self {
            root: root.to_owned(),
            ..Self::outside()
        };
        enter.add_overlay(root, changes, cstring(fs::canonicalize(root)?)?)?;
        enter.add_machine()?;
        Ok(enter)
    }

    /// Shows a copy of the system at `root` at `to`, which is in `/run`.
    pub fn copied(mut self, root: &Path, changes: &Path, to: &str) -> Result<Self> {
        let to = self.inside(Path::new(to))?;
        self.steps.push(Step::Folder(to.clone()));
        self.add_overlay(root, changes, to)?;
        Ok(self)
    }

    fn add_overlay(&mut self, root: &Path, changes: &Path, to: CString) -> Result<()> {
        let part = |name: &str| changes.join(name).display().to_string();
        // A user namespace has no other extended attributes.
        let xattr = match Uid::effective().is_root() {
            true => "",
            false => ",userxattr",
        };
        self.steps.push(Step::Overlay {
            to,
            options: CString::new(format!(
                "lowerdir={},upperdir={},workdir={}{xattr}",
                fs::canonicalize(root)?.display(),
                part("upper"),
                part("work")
            ))?,
        });
        Ok(())
    }

    fn add_machine(&mut self) -> Result<()> {
        for folder in ["/dev", "/proc", "/tmp", "/var/tmp"] {
            self.add(Path::new(folder), Path::new(folder), true)?;
        }
        self.steps
            .push(Step::Tmpfs(self.inside(Path::new("/run"))?));
        Ok(())
    }

    /// Prepares a command in this machine's own root folder, but with the ids of the environment.
    /// Such commands unpack and remove the environment.
    pub fn outside() -> Self {
        Self {
            who: Who::Root,
            root: PathBuf::from("/"),
            cwd: CString::from(c"/"),
            steps: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// Shows the host's file or folder `from` at `to`. Something must exist there already, unless
    /// `to` is in `/run`.
    pub fn bind(mut self, from: &Path, to: &str, writable: bool) -> Result<Self> {
        let to = Path::new(to);
        if to.starts_with("/run") {
            self.steps.push(Step::Folder(self.inside(to)?));
        }
        self.add(from, to, writable)?;
        Ok(self)
    }

    /// Starts the command in `folder`.
    pub fn current_dir(mut self, folder: &str) -> Result<Self> {
        self.cwd = cstring(folder)?;
        Ok(self)
    }

    /// Lets the command inherit `fd` under its own number.
    pub fn keep(mut self, fd: &OwnedFd) -> Self {
        self.kept.push(fd.as_raw_fd());
        self
    }

    /// Returns the command, with a clean set of environment variables.
    pub fn command(self, program: impl AsRef<OsStr>) -> Result<Command> {
        let entry = Entry::new(self)?;
        let mut command = Command::new(program);
        command.env_clear().envs([
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"),
            ("HOME", "/tmp"),
            ("LC_ALL", "C.UTF-8"),
            ("DEBIAN_FRONTEND", "noninteractive"),
        ]);
        if let Some(term) = std::env::var_os("TERM") {
            command.env("TERM", term);
        }
        // SAFETY: `Entry::go` makes system calls on strings that are prepared here. It allocates
        // nothing, which is not allowed between fork and exec.
        unsafe { command.pre_exec(move || entry.go()) };
        Ok(command)
    }

    fn add(&mut self, from: &Path, to: &Path, writable: bool) -> Result<()> {
        let from = fs::canonicalize(from)
            .with_context(|| format!("{} cannot be shown in the environment", from.display()))?;
        self.steps.push(Step::Bind {
            from: cstring(from)?,
            to: self.inside(to)?,
            writable,
        });
        Ok(())
    }

    fn inside(&self, path: &Path) -> Result<CString> {
        cstring(self.root.join(path.strip_prefix("/").unwrap_or(path)))
    }
}

/// Everything that [`Enter`] asks for, prepared for the time after `fork`.
struct Entry {
    users: Option<UserNamespace>,
    who: Who,
    root: CString,
    cwd: CString,
    steps: Vec<Step>,
    kept: Vec<RawFd>,
}

impl Entry {
    fn new(enter: Enter) -> Result<Self> {
        let users = if Uid::effective().is_root() {
            None
        } else {
            Some(UserNamespace::of_caller()?)
        };
        Ok(Self {
            users,
            who: enter.who,
            root: cstring(fs::canonicalize(&enter.root)?)?,
            cwd: enter.cwd,
            steps: enter.steps,
            kept: enter.kept,
        })
    }

    fn go(&self) -> io::Result<()> {
        match &self.users {
            Some(users) => users.enter()?,
            None => said(c"a mount namespace", unshare(CloneFlags::CLONE_NEWNS))?,
        }
        let none = None::<&CStr>;
        said(
            c"private mounts",
            mount(
                none,
                c"/",
                none,
                MsFlags::MS_REC | MsFlags::MS_PRIVATE,
                none,
            ),
        )?;
        for step in &self.steps {
            step.take()?;
        }
        said(&self.root, nix::unistd::chroot(self.root.as_c_str()))?;
        said(&self.cwd, nix::unistd::chdir(self.cwd.as_c_str()))?;
        self.become_who()?;
        for fd in &self.kept {
            // SAFETY: the parent holds this descriptor until the command is spawned.
            let fd = unsafe { std::os::fd::BorrowedFd::borrow_raw(*fd) };
            fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        // A command in the environment ends with the process that started it.
        nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
        Ok(())
    }

    fn become_who(&self) -> io::Result<()> {
        // A user who is not root has entered under his own id, which is `IDS` in his namespace.
        if self.users.is_some() && self.who == Who::Root {
            said(c"the environment's root", nix::unistd::setgroups(&[]))?;
            said(
                c"the environment's root",
                nix::unistd::setgid(Gid::from_raw(0)),
            )?;
            said(
                c"the environment's root",
                nix::unistd::setuid(Uid::from_raw(0)),
            )?;
        }
        Ok(())
    }
}

impl Step {
    fn take(&self) -> io::Result<()> {
        let none = None::<&CStr>;
        match self {
            Step::Folder(path) => match nix::unistd::mkdir(
                path.as_c_str(),
                nix::sys::stat::Mode::from_bits_truncate(0o755),
            ) {
                Err(Errno::EEXIST) => Ok(()),
                result => said(path, result),
            },
            Step::Tmpfs(path) => said(
                path,
                mount(
                    Some(c"tmpfs"),
                    path.as_c_str(),
                    Some(c"tmpfs"),
                    MsFlags::empty(),
                    Some(c"mode=755"),
                ),
            ),
            Step::Overlay { to, options } => said(
                to,
                mount(
                    Some(c"overlay"),
                    to.as_c_str(),
                    Some(c"overlay"),
                    MsFlags::empty(),
                    Some(options.as_c_str()),
                ),
            ),
            Step::Bind { from, to, writable } => {
                said(
                    from,
                    mount(
                        Some(from.as_c_str()),
                        to.as_c_str(),
                        none,
                        MsFlags::MS_BIND | MsFlags::MS_REC,
                        none,
                    ),
                )?;
                if *writable {
                    Ok(())
                } else {
                    said(to, read_only(to))
                }
            }
        }
    }
}

/// Makes one bind mount read-only, keeping the flags that a user namespace may not drop.
fn read_only(path: &CStr) -> nix::Result<()> {
    let has = statvfs(path)?.flags();
    let mut flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    for (is, keep) in [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ] {
        if has.contains(is) {
            flags |= keep;
        }
    }
    mount(None::<&CStr>, path, None::<&CStr>, flags, None::<&CStr>)
}

/// The caller's user namespace. Ids below [`IDS`] are the caller's subordinate ids, and `IDS` is
/// the caller.
struct UserNamespace {
    newuidmap: [CString; 8],
    newgidmap: [CString; 8],
}

impl UserNamespace {
    fn of_caller() -> Result<Self> {
        let (uid, gid) = (Uid::effective(), Gid::effective());
        let name = User::from_uid(uid)?.map_or_else(|| uid.to_string(), |user| user.name);
        let tool = |tool: &str, table: &str, own: u32| -> Result<[CString; 8]> {
            let first = subordinate(Path::new(table), &name, uid)?;
            let program = host::find(tool)
                .ok_or_else(|| anyhow!("this machine lacks {tool}: install the package uidmap"))?;
            let text = [
                program.display().to_string(),
                String::new(),
                "0".into(),
                first.to_string(),
                IDS.to_string(),
                IDS.to_string(),
                own.to_string(),
                "1".into(),
            ];
            let strings: Vec<CString> = text
                .into_iter()
                .map(CString::new)
                .collect::<Result<_, _>>()?;
            strings.try_into().map_err(|_| anyhow!("eight arguments"))
        };
        Ok(Self {
            newuidmap: tool("newuidmap", "/etc/subuid", uid.as_raw())?,
            newgidmap: tool("newgidmap", "/etc/subgid", gid.as_raw())?,
        })
    }

    /// Enters the namespace, while a child that stays outside writes the maps of ids.
    fn enter(&self) -> io::Result<()> {
        let (wait, go) = nix::unistd::pipe()?;
        // SAFETY: the child makes system calls only, and ends in `_exit`.
        match unsafe { fork() }? {
            ForkResult::Child => {
                drop(go);
                let _ = nix::unistd::read(&wait, &mut [0]);
                let mapped = self.map(nix::unistd::getppid().as_raw());
                // SAFETY: this ends the child at once, as it must after fork.
                unsafe { nix::libc::_exit(i32::from(!mapped)) }
            }
            ForkResult::Parent { child } => {
                drop(wait);
                said(
                    c"a user namespace",
                    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS),
                )?;
                drop(go);
                match waitpid(child, None)? {
                    WaitStatus::Exited(_, 0) => Ok(()),
                    _ => said(
                        c"the user and group ids of /etc/subuid and /etc/subgid",
                        Err(Errno::EPERM),
                    ),
                }
            }
        }
    }

    fn map(&self, pid: i32) -> bool {
        let mut digits = [0; 12];
        let pid = decimal(pid.unsigned_abs(), &mut digits);
        [&self.newuidmap, &self.newgidmap]
            .into_iter()
            .all(|tool| run_map(tool, pid))
    }
}

/// Runs newuidmap or newgidmap for `pid`, in a child, with system calls only.
fn run_map(tool: &[CString; 8], pid: &CStr) -> bool {
    let mut argv = [std::ptr::null(); 9];
    for (place, argument) in argv.iter_mut().zip(tool) {
        *place = argument.as_ptr();
    }
    argv[1] = pid.as_ptr();
    let envp = [std::ptr::null()];
    // SAFETY: the child makes two system calls, and then does not exist any more.
    match unsafe { fork() } {
        // SAFETY: both arrays end in a null pointer, and their strings outlive the call.
        Ok(ForkResult::Child) => unsafe {
            nix::libc::execve(argv[0], argv.as_ptr(), envp.as_ptr());
            nix::libc::_exit(127)
        },
        Ok(ForkResult::Parent { child }) => {
            matches!(waitpid(child, None), Ok(WaitStatus::Exited(_, 0)))
        }
        Err(_) => false,
    }
}

/// Writes `number` in decimal into `digits`, from its end.
fn decimal(mut number: u32, digits: &mut [u8; 12]) -> &CStr {
    let mut at = digits.len() - 1;
    digits[at] = 0;
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return CStr::from_bytes_until_nul(&digits[at..]).unwrap_or(c"0");
        }
    }
}

/// Returns the first of the caller's subordinate ids in `table`, which has lines `who:first:count`.
fn subordinate(table: &Path, name: &str, uid: Uid) -> Result<u32> {
    let text = fs::read_to_string(table).unwrap_or_default();
    parse_subordinate(&text, name, uid.as_raw()).ok_or_else(|| {
        anyhow!(
            "{} gives {name} no {IDS} ids: as root, run `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {name}`",
            table.display()
        )
    })
}

fn parse_subordinate(text: &str, name: &str, uid: u32) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let who = fields.next()?;
        let first: u32 = fields.next()?.parse().ok()?;
        let count: u32 = fields.next()?.trim().parse().ok()?;
        ((who == name || who == uid.to_string()) && count >= IDS).then_some(first)
    })
}

fn cstring(path: impl AsRef<OsStr>) -> Result<CString> {
    Ok(CString::new(path.as_ref().as_bytes())?)
}

/// Passes a result on. Prints what an error is about, because only its number reaches the parent.
fn said(what: &CStr, result: nix::Result<()>) -> io::Result<()> {
    if result.is_err() {
        let stderr = io::stderr();
        for part in [
            b"vm: on the way into the environment: ".as_slice(),
            what.to_bytes(),
            b"\n",
        ] {
            let _ = nix::unistd::write(&stderr, part);
        }
    }
    Ok(result?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subordinate_ids_are_found_by_name_and_by_number() {
        let table = "root:1:5\nann:100000:65536\n1001:200000:65536\n";
        assert_eq!(parse_subordinate(table, "ann", 7), Some(100_000));
        assert_eq!(parse_subordinate(table, "bob", 1001), Some(200_000));
    }

    #[test]
    fn too_few_subordinate_ids_count_as_none() {
        assert_eq!(parse_subordinate("ann:100000:1000\n", "ann", 7), None);
    }

    #[test]
    fn decimals_are_what_newuidmap_reads() {
        for number in [0, 9, 10, 4_194_304, u32::MAX] {
            assert_eq!(
                decimal(number, &mut [0; 12]).to_str(),
                Ok(number.to_string().as_str())
            );
        }
    }
}
