// SPDX-License-Identifier: GPL-2.0

//! Every `scenarios/*.sh` is a test, in each topology that it names. It runs in a virtual machine of
//! its own, and passes if it ends with 0 and the kernel has no complaints. Status 77 skips it, with
//! its last line as the reason.
//!
//! `cargo test --package md-p2p-tests --test vm [-- NAME] [--nocapture]` runs the scenarios with this
//! name. Without a name it runs those that say `# run: test` or, with `MD_P2P_SOAK=1` in the
//! environment, all. `MD_P2P_KERNEL=RELEASE` chooses the kernel, which else is the newest.
//! `MD_P2P_SEED=N` becomes the first argument of scenarios with `# seed: yes`, which make up I/O.

use std::cmp::Reverse;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use md_p2p_tests::scenario::{self, Head, Scope};
use md_p2p_vm::{Environment, Outcome, Pace, Run};
use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, statfs};

/// The status by which a scenario says that it does not apply.
const SKIPPED: u8 = 77;

/// How many times longer than it says a scenario may take, because it says this of an idle machine.
/// A time limit only ends what hangs. It must not fail a scenario on a busy machine.
const BUSY: u32 = 3;

/// The environment variable that asks for all scenarios.
const SOAK: &str = "MD_P2P_SOAK";

/// The environment variable with the kernel.
const KERNEL: &str = "MD_P2P_KERNEL";

/// The environment variable with the seed of a scenario's I/O.
const SEED: &str = "MD_P2P_SEED";

/// The lines of a failed scenario's output that are shown.
const SHOWN: usize = 40;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // A guest has two processors, and so have small machines.
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let times = Times::default();
    let trials = match trials(&arguments, &times) {
        Ok(trials) => trials,
        Err(error) => {
            eprintln!("vm: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let code = libtest_mimic::run(&arguments, trials).exit_code();
    times.show();
    code
}

/// How long each scenario took, to show where the time of a run goes.
#[derive(Clone, Default)]
struct Times(Arc<Mutex<Vec<(Duration, String)>>>);

impl Times {
    fn take<T>(&self, name: &str, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let outcome = work();
        let took = (began.elapsed(), name.to_owned());
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.push(took);
        outcome
    }

    /// Prints the times in seconds, the longest first.
    fn show(&self) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.sort_by(|one, other| other.cmp(one));
        if times.is_empty() {
            return;
        }
        let words: Vec<String> = times
            .iter()
            .map(|(time, name)| format!("{name} {}", time.as_secs()))
            .collect();
        println!("seconds: {}", words.join(", "));
    }
}

fn trials(arguments: &Arguments, times: &Times) -> Result<Vec<Trial>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut scripts: Vec<PathBuf> = fs::read_dir(&folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    scripts.retain(|path| path.extension().is_some_and(|extension| extension == "sh"));
    scripts.sort();
    let mut scenarios = Vec::new();
    for script in scripts {
        let head = fs::read_to_string(&script)
            .map_err(Into::into)
            .and_then(|text| Head::parse(&text))
            .with_context(|| script.display().to_string())?;
        scenarios.push((script, head));
    }
    // Long scenarios come first, so that no processor waits for a long one in the end.
    scenarios.sort_by_key(|(_, head)| Reverse(head.timeout));
    let mut trials = Vec::new();
    for (script, head) in scenarios {
        for topology in head.topologies_in(scope(arguments)) {
            let run = machine(&script, &head, topology)?;
            let run = if arguments.nocapture {
                run.shown()
            } else {
                run
            };
            let name = script.file_stem().unwrap_or_default().to_string_lossy();
            let again = again(&name, topology);
            let promise = head.clone();
            let times = times.clone();
            let timed = format!("[{topology}] {name}");
            let trial = move || times.take(&timed, || tried(&run, &promise, &again));
            trials.push(Trial::ignorable_test(name, trial).with_kind(topology));
        }
    }
    Ok(trials)
}

/// Returns what to run. A scenario that is named is run wherever it belongs.
fn scope(arguments: &Arguments) -> Scope {
    if arguments.filter.is_some() || std::env::var_os(SOAK).is_some() {
        Scope::Soak
    } else {
        Scope::Test
    }
}

/// Returns the command that runs a scenario again, in this topology and on this kernel.
fn again(name: &str, topology: &str) -> String {
    let given = |name| Some(format!("{name}={} ", std::env::var(name).ok()?));
    let settings: String = [KERNEL, SEED].into_iter().filter_map(given).collect();
    format!(
        "{settings}cargo test --package md-p2p-tests --test vm -- --exact '[{topology}] {name}' --nocapture"
    )
}

fn pace(head: &Head) -> Pace {
    if head.parallel {
        Pace::Parallel
    } else {
        Pace::Turns
    }
}

fn machine(script: &Path, head: &Head, topology: &str) -> Result<Run> {
    let folder = script.parent().unwrap_or(script);
    let mut run = Run::new(script)
        .file(folder.join("lib.bash"))
        .topology(topology)
        .modules(head.modules.parse()?)
        .system(head.system)
        .pace(pace(head))
        .timeout(BUSY * head.timeout);
    for file in &head.files {
        run = run.file(scenario::file(folder, file));
    }
    if let Some(file) = &head.prepare {
        run = run.prepare(scenario::file(folder, file));
    }
    for file in &head.sources {
        run = run.build(scenario::file(folder, file));
    }
    for event in &head.traces {
        run = run.trace(event);
    }
    if let Ok(release) = std::env::var(KERNEL) {
        run = run.kernel(release);
    }
    if let (true, Ok(seed)) = (head.seed, std::env::var(SEED)) {
        run = run.arguments([seed]);
    }
    Ok(run)
}

fn tried(run: &Run, head: &Head, again: &str) -> Result<Completion, Failed> {
    if head.prepare.is_some() && is_overlay(&std::env::current_dir()?)? {
        let why = "this machine's files are on an overlay, and no other can be made there";
        return Ok(Completion::ignored_with(why));
    }
    let outcome = Environment::ready().and_then(|environment| run.go(&environment));
    let outcome = outcome.map_err(|error| format!("{error:#}"))?;
    match outcome.status() {
        0 => Ok(Completion::Completed),
        SKIPPED => Ok(Completion::ignored_with(
            outcome.stdout.lines().next_back().unwrap_or_default(),
        )),
        _ => Err(failure(head, &outcome, again).into()),
    }
}

fn is_overlay(path: &Path) -> Result<bool, Failed> {
    Ok(statfs(path)?.filesystem_type() == OVERLAYFS_SUPER_MAGIC)
}

fn failure(head: &Head, outcome: &Outcome, again: &str) -> String {
    format!(
        "Not so: {}\n{}; see {}\nagain: {again}\n{}\n{}",
        head.promise,
        outcome.end,
        outcome.folder.display(),
        tail(&outcome.stdout),
        tail(&outcome.stderr),
    )
}

/// Returns the last lines of `text`, indented.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN)..]
        .iter()
        .map(|line| format!("    {line}\n"))
        .collect()
}
