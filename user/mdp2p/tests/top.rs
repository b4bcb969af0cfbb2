// SPDX-License-Identifier: GPL-2.0
//! `mdp2p top` in a terminal of its own, with the arrays of `trees/arrays.tree`.

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use assert_cmd::Command;
use nix::libc::pid_t;
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use predicates::prelude::*;
use predicates::str::contains;

const ENTER: &str = "\u{1b}[?1049h";
const LEAVE: &str = "\u{1b}[?1049l";

/// A running `mdp2p top` in a terminal.
struct Top {
    child: Child,
    keyboard: File,
    /// The program's side of the terminal.
    terminal: File,
    screen: Receiver<Vec<u8>>,
    /// The output to the screen.
    seen: String,
}

impl Top {
    fn start(root: &Path, arguments: &[&str]) -> Self {
        let size = Winsize {
            ws_row: 24,
            ws_col: 100,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = openpty(&size, None).expect("a terminal");
        let terminal = File::from(pty.slave);
        let side = || Stdio::from(terminal.try_clone().expect("a copy"));
        let child = std::process::Command::new(env!("CARGO_BIN_EXE_mdp2p"))
            .arg("--sysroot")
            .arg(root)
            .args(["top", "--interval", "0.1"])
            .args(arguments)
            .env("TERM", "xterm")
            // A shell gives a command a group of its own, too.
            .process_group(0)
            .stdin(side())
            .stdout(side())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let keyboard = File::from(pty.master);
        let mut glass = keyboard.try_clone().expect("a copy");
        let (sender, screen) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = glass.read(&mut buffer) {
                if sender.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            keyboard,
            terminal,
            screen,
            seen: String::new(),
        }
    }

    /// Waits until `text` has appeared on the screen.
    fn see(&mut self, text: &str) {
        while !self.seen.contains(text) {
            match self.screen.recv_timeout(Duration::from_secs(20)) {
                Ok(more) => self.seen += &String::from_utf8_lossy(&more),
                Err(_) => panic!("{text:?} is not in {:?}", self.seen),
            }
        }
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("keys");
    }

    /// Returns the exit status and the errors, after a check that the terminal is restored.
    fn end(mut self) -> (ExitStatus, String) {
        self.see(LEAVE);
        let status = self.child.wait().expect("it ended");
        let mut complaint = String::new();
        let mut stderr = self.child.stderr.take().expect("its errors");
        stderr.read_to_string(&mut complaint).expect("UTF-8");
        let modes = tcgetattr(&self.terminal).expect("its modes").local_flags;
        assert!(
            modes.contains(LocalFlags::ICANON | LocalFlags::ECHO),
            "{modes:?}"
        );
        (status, complaint)
    }
}

#[test]
fn keys_end_it_and_the_terminal_is_as_before() {
    let root = common::plant("arrays");
    for key in ["q", "\u{1b}", "\u{3}"] {
        let mut top = Top::start(root.path(), &[]);
        top.see(ENTER);
        top.see("md1");
        let modes = tcgetattr(&top.terminal).expect("its modes").local_flags;
        assert!(!modes.contains(LocalFlags::ICANON), "{modes:?}");
        top.press(key);
        let (status, complaint) = top.end();
        assert!(status.success(), "{key:?}: {complaint}");
    }
}

#[test]
fn a_key_shows_members() {
    let root = common::plant("arrays");
    let mut top = Top::start(root.path(), &["data"]);
    top.see("md0");
    assert!(!top.seen.contains("nvme0n1") && !top.seen.contains("md1"));
    top.press("m");
    top.see("nvme0n1");
    top.press("q");
    assert!(top.end().0.success());
}

#[test]
fn signals_end_it_and_the_terminal_is_as_before() {
    let root = common::plant("arrays");
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        let mut top = Top::start(root.path(), &[]);
        top.see("md1");
        kill(Pid::from_raw(top.child.id() as pid_t), signal).expect("a signal");
        let (status, complaint) = top.end();
        assert!(status.success(), "{signal}: {complaint}");
    }
}

#[test]
fn the_terminal_is_as_before_while_it_is_suspended() {
    let root = common::plant("arrays");
    let mut top = Top::start(root.path(), &[]);
    top.see("md1");
    top.press("\u{1a}");
    let pid = Pid::from_raw(top.child.id() as pid_t);
    let stopped = waitpid(pid, Some(WaitPidFlag::WUNTRACED)).expect("it stops");
    assert_eq!(stopped, WaitStatus::Stopped(pid, Signal::SIGTSTP));
    let modes = tcgetattr(&top.terminal).expect("its modes").local_flags;
    assert!(modes.contains(LocalFlags::ICANON | LocalFlags::ECHO));
    top.see(LEAVE);
    top.seen.clear();
    kill(pid, Signal::SIGCONT).expect("a signal");
    top.see(ENTER);
    top.see("md1");
    top.press("q");
    assert!(top.end().0.success());
}

#[test]
fn an_error_ends_it_and_the_terminal_is_as_before() {
    let root = common::plant("arrays");
    let mut top = Top::start(root.path(), &[]);
    top.see("md1");
    let file = "sys/block/md0/md/p2pdma_refused_ios";
    common::put(root.path(), file, "few");
    let (status, complaint) = top.end();
    assert_eq!(status.code(), Some(1));
    assert!(complaint.contains(&format!("{file}: `few`")), "{complaint}");
}

#[test]
fn without_a_terminal_it_names_the_command_for_that() {
    let root = common::plant("arrays");
    top(root.path())
        .assert()
        .code(1)
        .stdout("")
        .stderr(contains("terminal").and(contains("mdp2p stats --watch")));
}

#[test]
fn usage_is_explained() {
    let root = common::plant("arrays");
    top(root.path())
        .arg("--help")
        .assert()
        .success()
        .stdout(contains("Keys:"));
    for wrong in [&["--nonsense"][..], &["--interval"], &["--interval", "0"]] {
        top(root.path())
            .args(wrong)
            .assert()
            .code(2)
            .stderr(contains(wrong[0]));
    }
}

fn top(root: &Path) -> Command {
    let mut command = Command::cargo_bin("mdp2p").expect("the program");
    command.arg("--sysroot").arg(root).arg("top");
    command
}
