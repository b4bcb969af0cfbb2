// SPDX-License-Identifier: GPL-2.0
//! `mdp2p mdadm`: the arguments of mdadm, the files that it sees, and that nothing else sees them.

mod common;
#[path = "common/nobody.rs"]
mod nobody;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use common::{plant, put};
use mdp2p::control::mdadm;
use mdp2p::control::mdadm::namespace::Namespace;
use mdp2p_machine::sysroot::Sysroot;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use predicates::str::contains;
use tempfile::TempDir;

/// Makes a program. A shell writes it: a child of another test would inherit a file that we write,
/// and a file open for writing cannot be run.
fn program(folder: &Path, name: &str, script: &str) {
    let made = Command::new("sh")
        .args(["-c", "printf %s \"$2\" >\"$1\" && chmod 755 \"$1\"", "sh"])
        .arg(folder.join(name))
        .arg(format!("#!/bin/sh\n{script}\n"))
        .status();
    assert!(made.expect("sh").success());
}

/// Tells whether this machine allows mounts of our own, and prints a note if not.
fn may_mount() -> bool {
    let tried = thread::spawn(|| unshare(CloneFlags::CLONE_NEWNS)).join();
    let may = tried.expect("a thread").is_ok();
    if !may {
        eprintln!("skipped: no mount namespaces here");
    }
    may
}

/// Makes a machine in a folder, where md-p2p is alone or beside the kernel's md.
fn machine(beside: bool) -> (TempDir, Sysroot) {
    let root = tempfile::tempdir().expect("a folder");
    put(root.path(), "sys/module/md_p2p/parameters/new_array", "");
    put(root.path(), "sys/module/md_mod/parameters/new_array", "");
    put(root.path(), "run/mdadm/map", "the kernel's\n");
    put(root.path(), "etc/mdadm/mdadm.conf", "MAILADDR root\n");
    if beside {
        put(root.path(), "proc/mdstat", "the kernel's\n");
        put(root.path(), "proc/mdstat-p2p", "md-p2p's\n");
        put(root.path(), "proc/mdstat-p2p-numbers", "both\n");
    } else {
        put(root.path(), "proc/mdstat", "md-p2p's\n");
    }
    let sysroot = Sysroot::at(root.path()).expect("a host");
    (root, sysroot)
}

fn text(root: &TempDir, path: &str) -> String {
    fs::read_to_string(root.path().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Lists the mounts below `root` that this thread sees.
fn mounts(root: &TempDir) -> Vec<String> {
    let table = fs::read_to_string("/proc/thread-self/mountinfo").expect("mounts");
    let below = format!("{}/", root.path().display());
    let places = table.lines().filter_map(|line| line.split(' ').nth(4));
    let places = places.filter(|place| place.starts_with(&below));
    places.map(str::to_owned).collect()
}

/// Runs `work` in a mount namespace of its own, so that even a faulty program leaves the mounts of
/// this machine as they are.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let none = None::<&str>;
    thread::scope(|scope| {
        let within = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNS).expect("a namespace");
            let ours = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
            mount(none, "/", none, ours, none).expect("mounts of our own");
            work()
        });
        within.join().expect("a thread")
    })
}

/// Runs `work` like [`apart`], but below `root` the mounts are shared, as systemd makes them for
/// the whole machine.
fn with_shared<T: Send>(root: &TempDir, work: impl FnOnce() -> T + Send) -> T {
    let none = None::<&str>;
    let root = root.path();
    apart(|| {
        mount(Some(root), root, none, MsFlags::MS_BIND, none).expect("a mount");
        mount(none, root, none, MsFlags::MS_SHARED, none).expect("a shared one");
        work()
    })
}

fn wait_for(path: &Path) {
    let end = Instant::now() + Duration::from_secs(60);
    while !path.exists() {
        assert!(Instant::now() < end, "{} does not come", path.display());
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn mdadm_sees_md_p2p_in_the_place_of_md_and_nobody_else_does() {
    if !may_mount() {
        return;
    }
    for (beside, mode) in [(true, "--detail"), (true, "--create"), (false, "--create")] {
        let (root, sysroot) = machine(beside);
        let script = "
            cd \"$1\" || exit 1
            cat proc/mdstat >seen
            echo md7 >sys/module/md_mod/parameters/new_array
            echo \"md-p2p's\" >run/mdadm/map
            cat etc/mdadm/mdadm.conf >read
            echo \"$MDADM_NO_SYSTEMCTL\" >alone
            cat /proc/self/mountinfo >mounts
            echo started >started
            until [ -e go ]; do sleep 0.05; done
            exit 7";
        let mut command = Command::new("sh");
        command.args(["-c", script, "mdadm"]).arg(root.path());
        let namespace = Namespace::of(&sysroot, &[mode.into()]).expect("a namespace");
        let before = text(&root, "proc/mdstat");
        let look = || (mounts(&root), text(&root, "proc/mdstat"));
        let (meanwhile, status) = with_shared(&root, || {
            thread::scope(|scope| {
                let within = scope.spawn(|| namespace.run(command));
                wait_for(&root.path().join("started"));
                let meanwhile = look();
                put(root.path(), "go", "");
                let status = within.join().expect("a thread");
                (meanwhile, status.expect("its end"))
            })
        });
        assert_eq!(meanwhile, (vec![], before));
        assert_eq!(status.code(), Some(7));

        let seen = match (beside, mode) {
            (true, "--create") => "both\n",
            _ => "md-p2p's\n",
        };
        assert_eq!(text(&root, "seen"), seen);
        assert_eq!(text(&root, "read").lines().count() > 1, seen == "both\n");
        let left = fs::read_dir(root.path().join("run/md-p2p/mdadm"));
        assert_eq!(left.map_or(1, Iterator::count), 1, "only the map");
        let written =
            |module: &str| text(&root, &format!("sys/module/{module}/parameters/new_array"));
        let of = if beside { ["md7\n", ""] } else { ["", "md7\n"] };
        assert_eq!([written("md_p2p"), written("md_mod")], of);
        let alone = if beside { "1\n" } else { "\n" };
        assert_eq!(text(&root, "alone"), alone);
        let map = if beside {
            "the kernel's\n"
        } else {
            "md-p2p's\n"
        };
        assert_eq!(text(&root, "run/mdadm/map"), map);
        let over = format!(" {}/proc/mdstat ", root.path().display());
        assert_eq!(text(&root, "mounts").contains(&over), beside);
        assert_eq!(mounts(&root), [""; 0]);
    }
}

#[test]
fn arguments_and_exit_status_are_handed_on_as_they_are() {
    if !may_mount() {
        return;
    }
    let (root, sysroot) = machine(false);
    let out = root.path().join("arguments");
    program(
        root.path(),
        "mdadm",
        &format!(
            "printf '<%s>' \"$@\" >{}; [ \"$1\" = --die ] && kill -KILL $$; exit 3",
            out.display()
        ),
    );
    let program = root.path().join("mdadm");
    let words = ["--detail", "a b", "", "*", "--", "it's\n"];
    let run = |words: &[&str]| {
        let arguments: Vec<_> = words.iter().map(Into::into).collect();
        apart(|| mdadm::execute(&sysroot, &program, &arguments)).expect("its end")
    };
    assert_eq!(run(&words), 3);
    assert_eq!(text(&root, "arguments"), "<--detail><a b><><*><--><it's\n>");
    assert_eq!(run(&["--die"]), 137);
}

/// Runs the program on a machine where md-p2p is loaded and has the array md0. The captured `sys`
/// is mounted over this machine's, for the program alone.
fn mdp2p_there(root: &TempDir, words: &[&str]) -> Result<ExitStatus> {
    let namespace = Namespace {
        binds: vec![(root.path().join("sys"), "/sys".into())],
        ..Namespace::default()
    };
    // If the tests run in the background, the program would ignore interrupts.
    let mut command = Command::new("env");
    command
        .arg("--default-signal=INT")
        .arg(assert_cmd::cargo::cargo_bin!("mdp2p"))
        .args(words)
        .env("PATH", format!("{}:/usr/bin:/bin", root.path().display()))
        .env("ROOT", root.path());
    apart(|| namespace.run(command))
}

#[test]
fn commands_reach_mdadm_and_settings_reach_sysfs() {
    if !may_mount() {
        return;
    }
    let root = plant("iommu");
    let script = "
        printf '<%s>' \"$@\" >\"$ROOT/arguments\"
        [ -e /sys/module/md_p2p/parameters ]
        exit $((4 + $?))";
    program(root.path(), "mdadm", script);
    for (words, arguments) in [
        (&["mdadm", "--", "--detail", "a b"][..], "<--detail><a b>"),
        (&["mdadm", "--detail", "a b"], "<--detail><a b>"),
        (&["mdadm", "-D", "a", "--json"], "<-D><a><--json>"),
        (
            &["mdadm", "/dev/md0", "--fail", "x"],
            "</dev/md0><--fail><x>",
        ),
        (&["mdadm", "--", "--help"], "<--help>"),
    ] {
        let status = mdp2p_there(&root, words).expect("its end");
        // 4: mdadm sees that md_p2p is loaded.
        assert_eq!(status.code(), Some(4), "{words:?}");
        assert_eq!(text(&root, "arguments"), arguments);
    }
    for (words, arguments) in [
        (&["stop", "md0"][..], "<--stop></dev/md0>"),
        (
            &["assemble", "other", "--", "--uuid=1"],
            "<--assemble></dev/md/other><--uuid=1>",
        ),
    ] {
        // Whatever status mdadm ends with: 2 would say that mdp2p was called wrongly.
        let status = mdp2p_there(&root, words).expect("its end");
        assert_eq!(status.code(), Some(1), "{words:?}");
        assert_eq!(text(&root, "arguments"), arguments);
    }
    program(root.path(), "mdadm", "exit 0");
    let status = mdp2p_there(&root, &["stop", "md0"]).expect("its end");
    assert_eq!(status.code(), Some(0));
    for (words, file, content) in [
        (["policy", "md0", "direct"], "p2pdma_policy", "direct"),
        (
            ["provider", "md0", "04:00.0"],
            "p2pdma_provider",
            "0000:04:00.0",
        ),
    ] {
        let path = format!("sys/devices/virtual/block/md0/md/{file}");
        put(root.path(), &path, "");
        let status = mdp2p_there(&root, &words).expect("its end");
        assert_eq!(status.code(), Some(0), "{words:?}");
        assert_eq!(text(&root, &path), content);
    }
}

#[test]
fn an_interrupt_is_mdadms_first_and_then_ours() {
    if !may_mount() {
        return;
    }
    let root = plant("iommu");
    let script = "
        trap '' INT
        cd \"$ROOT\" || exit 1
        echo $PPID >pid
        mv pid started
        until [ -e go ]; do sleep 0.05; done
        echo >ended";
    program(root.path(), "mdadm", script);
    thread::scope(|scope| {
        let within = scope.spawn(|| mdp2p_there(&root, &["mdadm", "--", "--detail"]));
        wait_for(&root.path().join("started"));
        // The program may not have blocked its signals yet.
        thread::sleep(Duration::from_millis(500));
        let pid = text(&root, "started").trim().parse().map(Pid::from_raw);
        kill(pid.expect("a number"), Signal::SIGINT).expect("a signal");
        thread::sleep(Duration::from_millis(500));
        let died = within.is_finished();
        put(root.path(), "go", "");
        wait_for(&root.path().join("ended"));
        assert!(!died, "it died before mdadm");
        let status = within.join().expect("a thread").expect("its end");
        assert_eq!(status.signal(), Some(Signal::SIGINT as i32), "{status}");
    });
}

#[test]
fn without_the_module_it_is_said_where_to_get_it() {
    if !Uid::effective().is_root() || Path::new("/sys/module/md_p2p").exists() {
        eprintln!("skipped: not root, or md-p2p is loaded");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let ran = folder.path().join("ran");
    program(folder.path(), "mdadm", &format!("echo >{}", ran.display()));
    for (script, why) in [
        (
            "echo 'modprobe: FATAL: Module md-p2p not found' >&2; exit 1",
            "md-p2p cannot be loaded: modprobe: FATAL: Module md-p2p not found; `mdp2p module status`",
        ),
        (
            "exit 0",
            "modprobe reported success, but md-p2p is not loaded",
        ),
    ] {
        program(folder.path(), "modprobe", script);
        for words in [&["mdadm", "--", "--detail"][..], &["assemble", "md990"]] {
            assert_cmd::Command::new(assert_cmd::cargo::cargo_bin!("mdp2p"))
                .args(words)
                .env("PATH", folder.path())
                .assert()
                .code(1)
                .stdout("")
                .stderr(contains(why));
        }
    }
    assert!(!ran.exists());
}

#[test]
fn without_mdadm_it_is_said_what_to_install() {
    let there = ["/usr/sbin/mdadm", "/sbin/mdadm"].map(Path::new);
    if !Uid::effective().is_root() || there.iter().any(|path| path.exists()) {
        eprintln!("skipped: not root, or mdadm is there");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    // Neither a file that is not executable nor a folder is mdadm.
    put(folder.path(), "mdadm", "");
    fs::create_dir_all(folder.path().join("more/mdadm")).expect("a folder");
    let path = format!("{0}:{0}/more", folder.path().display());
    for words in [&["mdadm", "--", "--detail"][..], &["assemble", "md990"]] {
        assert_cmd::Command::new(assert_cmd::cargo::cargo_bin!("mdp2p"))
            .args(words)
            .env("PATH", &path)
            .assert()
            .code(1)
            .stderr(contains("install the package mdadm; nothing was changed"));
    }
}

#[test]
fn who_is_not_root_is_told_so_before_anything_is_done() {
    let (_folder, mut command) = nobody::mdp2p();
    command
        .args(["mdadm", "--", "--version"])
        .assert()
        .code(1)
        .stdout("")
        .stderr(contains("only root can run mdadm: run it with sudo"));
}

#[test]
fn wrong_usage_ends_with_2() {
    for words in [&["mdadm"][..], &["mdadm", "--"]] {
        assert_cmd::Command::new(assert_cmd::cargo::cargo_bin!("mdp2p"))
            .args(words)
            .assert()
            .code(2)
            .stdout("");
    }
}
