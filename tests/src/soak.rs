// SPDX-License-Identifier: GPL-2.0
//! A soak runs the cases of all sources that have not passed yet.
//!
//! A source is a program in `tests/soak/`. `SOURCE list` prints a line `KERNEL CASE` for each case,
//! with `-` for a case that needs no kernel. `MD_P2P_KERNELS` has the kernels. `SOURCE run CASE`,
//! with `MD_P2P_KERNEL` and `MD_P2P_SEED` set, runs a case. Status 0 says that the case passed, and
//! 77 that it was skipped, with the reason in its last line.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use regex_lite::Regex;

use crate::ledger::{Entry, Ledger, Record, Verdict};

/// The status of a case that does not apply.
const SKIPPED: i32 = 77;

/// The name of the kernel of a case that needs none.
const NO_KERNEL: &str = "-";

/// The lines of a failed case's output that are shown.
const SHOWN: usize = 20;

/// The time between two looks at a running case.
const GLANCE: Duration = Duration::from_millis(100);

/// A case of a source, on one kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoakCase {
    /// The file name of its source.
    pub source: String,
    /// Its name in the source.
    pub name: String,
    /// The kernel's release, or `-`.
    pub kernel: String,
}

impl SoakCase {
    /// Returns its name in the ledger.
    pub fn id(&self) -> String {
        format!("{}/{}", self.source, self.name)
    }

    fn parse(source: &str, line: &str) -> Result<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [kernel, name] = words[..] else {
            bail!("{source}: `{line}` is not a kernel and a case");
        };
        Ok(Self {
            source: source.to_owned(),
            name: name.to_owned(),
            kernel: kernel.to_owned(),
        })
    }
}

/// The text that `--only` is compared with.
impl fmt::Display for SoakCase {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.kernel.as_str() {
            NO_KERNEL => write!(f, "{}", self.id()),
            kernel => write!(f, "{} {kernel}", self.id()),
        }
    }
}

/// Asks the sources in `folder` for their cases, in the order of the sources' names.
pub fn cases(folder: &Path, kernels: &[String]) -> Result<Vec<SoakCase>> {
    let mut sources: Vec<PathBuf> = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .with_context(|| folder.display().to_string())?;
    sources.sort();
    let mut cases = Vec::new();
    for source in sources {
        let name = source.file_name().unwrap_or_default().to_string_lossy();
        let output = Command::new(&source)
            .arg("list")
            .env("MD_P2P_KERNELS", kernels.join(" "))
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("{} does not start", source.display()))?;
        ensure!(output.status.success(), "{name} list: {}", output.status);
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            cases.push(SoakCase::parse(&name, line)?);
        }
    }
    Ok(cases)
}

/// A soak.
#[derive(Debug)]
pub struct Soak {
    /// The folder of the sources.
    pub sources: PathBuf,
    /// The folder for the output of cases.
    pub logs: PathBuf,
    /// The state of the repository.
    pub commit: String,
    /// The seed of the cases' I/O.
    pub seed: u64,
    /// The time from which on no case is begun.
    pub end: Option<Instant>,
}

/// The numbers of cases, by how they ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Cases that passed.
    pub passed: usize,
    /// Cases that failed.
    pub failed: usize,
    /// Cases that do not apply.
    pub skipped: usize,
    /// Cases that were not run, or did not run to their end.
    pub left: usize,
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped, {} left",
            self.passed, self.failed, self.skipped, self.left
        )
    }
}

impl Soak {
    /// Returns the cases to run: those that match `only`, without those that passed. A case that
    /// passed in a tree with changes proves nothing, because nobody can tell the changes.
    pub fn due(
        &self,
        cases: Vec<SoakCase>,
        only: Option<&Regex>,
        record: &Record,
    ) -> VecDeque<SoakCase> {
        let passed: HashSet<(&str, &str)> = record
            .entries
            .iter()
            .filter(|entry| entry.result == Verdict::Passed && !entry.commit.ends_with("-dirty"))
            .filter(|entry| entry.commit == self.commit && entry.seed == self.seed)
            .map(|entry| (entry.case.as_str(), entry.kernel.as_str()))
            .collect();
        cases
            .into_iter()
            .filter(|case| only.is_none_or(|only| only.is_match(&case.to_string())))
            .filter(|case| !passed.contains(&(case.id().as_str(), case.kernel.as_str())))
            .collect()
    }

    /// Runs the cases, `jobs` at a time, until they are done, or `stop` is set.
    pub fn run(
        &self,
        due: VecDeque<SoakCase>,
        jobs: usize,
        ledger: Ledger,
        stop: &AtomicBool,
    ) -> Result<Sum> {
        let total = due.len();
        let queue = Mutex::new(due);
        let books = Mutex::new((ledger, Sum::default()));
        thread::scope(|scope| {
            let workers: Vec<_> = (0..jobs.max(1))
                .map(|_| scope.spawn(|| self.work(&queue, &books, stop)))
                .collect();
            workers.into_iter().try_for_each(|worker| {
                let ended = worker.join();
                ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
        })?;
        let (_, mut sum) = books.into_inner().unwrap_or_else(PoisonError::into_inner);
        sum.left = total - sum.passed - sum.failed - sum.skipped;
        Ok(sum)
    }

    fn work(
        &self,
        queue: &Mutex<VecDeque<SoakCase>>,
        books: &Mutex<(Ledger, Sum)>,
        stop: &AtomicBool,
    ) -> Result<()> {
        while !stop.load(Ordering::Relaxed) && self.end.is_none_or(|end| Instant::now() < end) {
            let Some(case) = locked(queue).pop_front() else {
                break;
            };
            let began = Instant::now();
            let Some(status) = self.try_case(&case, stop)? else {
                break;
            };
            let result = verdict(status);
            let entry = Entry {
                commit: self.commit.clone(),
                kernel: case.kernel.clone(),
                case: case.id(),
                seed: self.seed,
                result,
                seconds: began.elapsed().as_secs(),
            };
            let (ledger, sum) = &mut *locked(books);
            ledger.append(&entry)?;
            match result {
                Verdict::Passed => sum.passed += 1,
                Verdict::Failed => sum.failed += 1,
                Verdict::Skipped => sum.skipped += 1,
            }
            self.tell(&case, &entry);
        }
        Ok(())
    }

    /// Runs a case. Returns `None` if the case was stopped.
    fn try_case(&self, case: &SoakCase, stop: &AtomicBool) -> Result<Option<ExitStatus>> {
        let log = self.log(case);
        log.parent().map(fs::create_dir_all).transpose()?;
        let output = File::create(&log).with_context(|| log.display().to_string())?;
        let mut command = Command::new(self.sources.join(&case.source));
        if case.kernel != NO_KERNEL {
            command.env("MD_P2P_KERNEL", &case.kernel);
        }
        let mut child = command
            .args(["run", &case.name])
            .env("MD_P2P_SEED", self.seed.to_string())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            // The case gets a process group, so that a signal reaches all that it has started.
            .process_group(0)
            .spawn()
            .with_context(|| format!("{} does not start", case.source))?;
        loop {
            if stop.load(Ordering::Relaxed) {
                end(&mut child)?;
                return Ok(None);
            }
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            thread::sleep(GLANCE);
        }
    }

    /// Returns the file for the output of a case.
    fn log(&self, case: &SoakCase) -> PathBuf {
        let name = format!("{}/{}", case.id(), case.kernel).replace('/', ",");
        self.logs.join(name)
    }

    /// Returns the command that runs a case again.
    fn again(&self, case: &SoakCase) -> String {
        let kernel = match case.kernel.as_str() {
            NO_KERNEL => String::new(),
            kernel => format!("MD_P2P_KERNEL={kernel} "),
        };
        let source = self.sources.join(&case.source);
        let (seed, source, name) = (self.seed, source.display(), &case.name);
        format!("{kernel}MD_P2P_SEED={seed} {source} run {name}")
    }

    fn tell(&self, case: &SoakCase, entry: &Entry) {
        let log = self.log(case);
        let said = fs::read(&log).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let last = said.lines().next_back().unwrap_or_default();
        let seconds = entry.seconds;
        match entry.result {
            Verdict::Passed => println!("ok {case}, {seconds} s"),
            Verdict::Skipped => println!("skipped: {case}: {last}"),
            Verdict::Failed => {
                println!("not ok {case}, {seconds} s; see {}", log.display());
                println!("    again: {}", self.again(case));
                let lines: Vec<&str> = said.lines().collect();
                for line in &lines[lines.len().saturating_sub(SHOWN)..] {
                    println!("    {line}");
                }
            }
        }
    }
}

/// Ends a case and all that it has started. They may take time to clean up.
fn end(child: &mut Child) -> Result<()> {
    let group = Pid::from_raw(i32::try_from(child.id())?);
    // The case may have ended by itself by now.
    let _ = killpg(group, Signal::SIGTERM);
    child.wait()?;
    Ok(())
}

fn verdict(status: ExitStatus) -> Verdict {
    match status.code() {
        Some(0) => Verdict::Passed,
        Some(SKIPPED) => Verdict::Skipped,
        _ => Verdict::Failed,
    }
}

/// Locks a mutex, even if a thread has panicked. Each change is one call, so that no data are half
/// changed.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
