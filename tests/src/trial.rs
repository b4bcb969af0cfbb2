// SPDX-License-Identifier: GPL-2.0
//! Tries numbered cases one after the other, in one boot.

use std::fmt::Display;
use std::fs;
use std::ops::Range;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::wait::patience;

/// The time that one case may take. It is only there to end what hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// The result of a case.
#[derive(Debug, Default)]
pub struct Findings {
    /// Whether an I/O met what the case is about.
    pub met: bool,
    /// Everything that is wrong.
    pub wrong: Vec<String>,
}

/// Something that tries cases. It is `'static`, because a case that hangs is left behind.
pub trait Trial: Send + Sync + 'static {
    /// A case.
    type Case: Display + Copy + Send + 'static;

    /// Tries a case. An error is a mistake of the test itself.
    fn run(&self, case: &Self::Case) -> Result<Findings>;
}

/// Tries these cases, which come with their numbers, and prints the results. Returns status 0 if all
/// are right, else 1. `again` is the command that tries a case again, without its number.
pub fn run<T: Trial>(
    trial: T,
    cases: impl IntoIterator<Item = (usize, T::Case)>,
    again: &str,
) -> Result<ExitCode> {
    let trial = Arc::new(trial);
    let (mut tried, mut failed) = (0, 0);
    for (number, case) in cases {
        tried += 1;
        if !is_ok(&trial, number, case)? {
            failed += 1;
            println!("  again: {again} {number}..{}", number + 1);
        }
    }
    println!("{tried} cases, {failed} not ok");
    Ok(ExitCode::from(u8::from(failed > 0)))
}

/// Tries a case, and prints the result. After a case that hangs, nothing more can be tried.
fn is_ok<T: Trial>(trial: &Arc<T>, number: usize, case: T::Case) -> Result<bool> {
    // The kernel log shows which messages belong to the case. It does not matter if there is none.
    let _ = fs::write("/dev/kmsg", format!("trial: {number} {case}\n"));
    let began = Instant::now();
    let limit = LIMIT * patience();
    let (sender, receiver) = channel();
    let trial = Arc::clone(trial);
    thread::spawn(move || sender.send(trial.run(&case)));
    let verdict = match receiver.recv_timeout(limit) {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(error)) => Findings {
            met: false,
            wrong: vec![format!("{error:#}")],
        },
        Err(RecvTimeoutError::Timeout) => bail!("not ok {number} {case}: no end after {limit:?}"),
        Err(RecvTimeoutError::Disconnected) => bail!("not ok {number} {case}: it panicked"),
    };
    let met = if verdict.met { "met" } else { "not met" };
    let seconds = began.elapsed().as_secs_f64();
    if verdict.wrong.is_empty() {
        println!("ok {number} {case} ({met}, {seconds:.1} s)");
        return Ok(true);
    }
    let wrong = verdict.wrong.join("; ");
    println!("not ok {number} {case} ({met}): {wrong}");
    Ok(false)
}

/// Parses `A..B`, or `A` for one case.
pub fn numbers(text: &str) -> Result<Range<usize>, String> {
    let number = |text: &str| text.parse().map_err(|_| format!("{text:?} is no number"));
    match text.split_once("..") {
        Some((first, end)) => Ok(number(first)?..number(end)?),
        None => number(text).map(|first| first..first + 1),
    }
}

/// Returns the numbers in these ranges. There are only `count` cases.
pub fn chosen(ranges: &[Range<usize>], count: usize) -> Result<Vec<usize>> {
    let numbers: Vec<usize> = ranges.iter().cloned().flatten().collect();
    if let Some(number) = numbers.iter().find(|number| **number >= count) {
        bail!("there is no case {number}: they end with {}", count - 1);
    }
    ensure!(!numbers.is_empty(), "no case is chosen");
    Ok(numbers)
}
