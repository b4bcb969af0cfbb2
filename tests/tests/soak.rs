// SPDX-License-Identifier: GPL-2.0

//! A soak runs the cases that are due. It remembers the cases that have ended, and no others.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::cargo::cargo_bin;
use md_p2p_tests::ledger::{Record, Verdict};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// A source that fails `bad` until there is a file `mended`, and sleeps for `slow`.
const SOURCE: &str = r#"#!/bin/sh
cd "$(dirname "$0")/.." || exit
case $1 in
list) for kernel in $MD_P2P_KERNELS; do
		for name in good bad odd slow; do echo "$kernel $name"; done
	done; echo '- alone' ;;
run) echo "$2 ${MD_P2P_KERNEL-none} $MD_P2P_SEED" >>ran
	case $2 in
	bad) echo 'what was wrong'; [ -e mended ] ;;
	odd) echo 'no such thing here'; exit 77 ;;
	slow) sleep 600 & echo $! >sleeper; wait ;;
	esac ;;
esac
"#;

struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        let bench = Self(tempfile::tempdir().expect("a folder"));
        fs::create_dir(bench.path("sources")).expect("a folder");
        let source = bench.path("sources/kind");
        fs::write(&source, SOURCE).expect("a source");
        fs::set_permissions(&source, fs::Permissions::from_mode(0o755)).expect("a program");
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, verb: &str, commit: &str, options: &[&str]) -> Command {
        let mut command = Command::new(cargo_bin!("soak"));
        command
            .arg("--ledger")
            .arg(self.path("ledger.jsonl"))
            .args([
                verb, "--kernel", "7.2", "--kernel", "7.3", "--commit", commit,
            ])
            .arg("--sources")
            .arg(self.path("sources"))
            .args(options);
        command
    }

    /// Runs `soak`, and returns what it prints and its status.
    fn run(&self, verb: &str, commit: &str, options: &[&str]) -> (String, i32) {
        let output = self
            .command(verb, commit, options)
            .output()
            .expect("a soak");
        let said = String::from_utf8(output.stdout).expect("text");
        (said, output.status.code().expect("a status"))
    }

    fn ran(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("ran")).unwrap_or_default();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        let _ = fs::remove_file(self.path("ran"));
        lines
    }

    fn record(&self) -> Record {
        Record::read(&self.path("ledger.jsonl")).expect("a ledger")
    }
}

/// Options for all cases but the slow ones.
const QUICK: [&str; 2] = ["--only", "good|bad|odd|alone"];

#[test]
fn each_case_is_told_and_kept() {
    let bench = Bench::new();
    let (said, status) = bench.run("run", "c1", &[&QUICK[..], &["--seed", "5"]].concat());
    assert_eq!(status, 1, "{said}");
    assert!(
        said.ends_with("3 passed, 2 failed, 2 skipped, 0 left\n"),
        "{said}"
    );
    assert!(
        said.contains("skipped: kind/odd 7.3: no such thing here"),
        "{said}"
    );
    let again = format!(
        "again: MD_P2P_KERNEL=7.2 MD_P2P_SEED=5 {} run bad\n    what was wrong\n",
        bench.path("sources/kind").display()
    );
    assert!(said.contains(&again), "{said}");
    let expected = [
        "alone none 5",
        "bad 7.2 5",
        "bad 7.3 5",
        "good 7.2 5",
        "good 7.3 5",
        "odd 7.2 5",
        "odd 7.3 5",
    ];
    assert_eq!(bench.ran(), expected);
    let record = bench.record();
    assert_eq!((record.entries.len(), record.broken), (7, 0));
    let bad: Vec<_> = record
        .entries
        .iter()
        .filter(|entry| entry.case == "kind/bad")
        .collect();
    assert_eq!(bad.len(), 2);
    for entry in bad {
        assert_eq!(
            (entry.commit.as_str(), entry.seed, entry.result),
            ("c1", 5, Verdict::Failed)
        );
    }
}

#[test]
fn what_passed_at_this_commit_with_this_seed_is_not_run_again() {
    let bench = Bench::new();
    bench.run("run", "c1", &QUICK);
    bench.ran();
    fs::write(bench.path("mended"), "").expect("a file");
    let (said, status) = bench.run("run", "c1", &QUICK);
    assert_eq!(status, 0, "{said}");
    assert_eq!(
        bench.ran(),
        ["bad 7.2 0", "bad 7.3 0", "odd 7.2 0", "odd 7.3 0"]
    );
    for (commit, options) in [("c2", &[][..]), ("c1", &["--seed", "1"])] {
        bench.run("run", commit, &[&QUICK[..], options].concat());
        assert_eq!(bench.ran().len(), 7, "{commit} {options:?}");
    }
}

#[test]
fn what_passed_in_a_tree_with_changes_is_run_again() {
    let bench = Bench::new();
    for _ in 0..2 {
        bench.run("run", "c1-dirty", &["--only", "alone"]);
        assert_eq!(bench.ran().len(), 1);
    }
}

#[test]
fn only_names_cases_and_kernels() {
    let bench = Bench::new();
    for (only, expected) in [
        ("good", "kind/good 7.2\nkind/good 7.3\n"),
        ("(good|bad) 7.3$", "kind/good 7.3\nkind/bad 7.3\n"),
        ("^kind/alone$", "kind/alone\n"),
        ("none such", ""),
    ] {
        let (said, status) = bench.run("list", "c1", &["--only", only]);
        assert_eq!((said.as_str(), status), (expected, 0));
    }
    assert_eq!(bench.run("list", "c1", &["--only", "("]).1, 2);
}

#[test]
fn no_case_begins_after_its_hours() {
    let bench = Bench::new();
    let (said, status) = bench.run("run", "c1", &["--hours", "0"]);
    assert_eq!(status, 0);
    assert!(
        said.ends_with("0 passed, 0 failed, 0 skipped, 9 left\n"),
        "{said}"
    );
}

#[test]
fn a_source_that_cannot_list_is_named() {
    let bench = Bench::new();
    fs::write(bench.path("sources/kind"), "#!/bin/sh\nexit 3\n").expect("a source");
    let output = bench.command("run", "c1", &[]).output().expect("a soak");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("kind list: exit status: 3"), "{said}");
}

#[test]
fn who_ends_it_ends_its_cases_and_keeps_what_is_done() {
    let bench = Bench::new();
    let soak = bench
        .command("run", "c1", &["--jobs", "1", "--only", "(good|slow) 7.2"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("a soak");
    let sleeper = eventually(|| {
        let text = fs::read_to_string(bench.path("sleeper")).ok()?;
        text.trim().parse::<u32>().ok()
    });
    let id = i32::try_from(soak.id()).expect("an id");
    kill(Pid::from_raw(id), Signal::SIGINT).expect("a signal");
    let said = soak.wait_with_output().expect("its end").stdout;
    let said = String::from_utf8_lossy(&said);
    assert!(
        said.ends_with("1 passed, 0 failed, 0 skipped, 1 left\n"),
        "{said}"
    );
    let cases: Vec<_> = bench
        .record()
        .entries
        .into_iter()
        .map(|entry| entry.case)
        .collect();
    assert_eq!(cases, ["kind/good"]);
    eventually(|| gone(sleeper).then_some(()));
}

/// Returns whether a process has ended. It may be a zombie.
fn gone(process: u32) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat"));
    stat.map_or(true, |stat| stat.contains(") Z "))
}

fn eventually<T>(what: impl Fn() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = what() {
            return found;
        }
        assert!(Instant::now() < end, "it does not come");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_report_is_of_the_ledger() {
    let bench = Bench::new();
    bench.run("run", "c1", &QUICK);
    let output = Command::new(cargo_bin!("soak"))
        .arg("--ledger")
        .arg(bench.path("ledger.jsonl"))
        .arg("report")
        .output()
        .expect("a report");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("c1      7.3     kind      3       1       1        1"),
        "{said}"
    );
    assert!(
        said.contains("kind/bad  7.2     c1                 1/1"),
        "{said}"
    );
}
