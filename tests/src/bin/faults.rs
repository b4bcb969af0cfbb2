// SPDX-License-Identifier: GPL-2.0
//! `faults`: tries the cases of the fault matrix one after the other, in one boot. Ends with 0
//! if all are well, 1 if one is not.

use std::ops::Range;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Parser;
use md_p2p_tests::cases::{self, Bitmap, Case};
use md_p2p_tests::rig::{Rig, Verdict, has_lockless, patience};
use mdp2p::bdf::Bdf;

/// What one case may take; there only to end what hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// Tries cases of the fault matrix on /dev/faulty0 and so on
#[derive(Parser)]
#[command(name = "faults", version)]
struct Arguments {
    /// Whose peer memory the I/O uses: the device that faulty.ko was told
    #[arg(long, required_unless_present_any = ["list", "count"])]
    provider: Option<Bdf>,
    /// Try these, A..B or one number, instead of a choice that has every pair of factors
    #[arg(value_parser = numbers)]
    cases: Vec<Range<usize>>,
    /// What the choice follows from
    #[arg(long, default_value = "1")]
    seed: u64,
    /// Only list the cases
    #[arg(long)]
    list: bool,
    /// Only say how many cases there are
    #[arg(long)]
    count: bool,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let all = cases::all();
    if arguments.count {
        println!("{}", all.len());
        return Ok(ExitCode::SUCCESS);
    }
    let lockless = arguments.list || has_lockless();
    let usable = |case: &Case| lockless || case.bitmap != Bitmap::Lockless;
    let chosen: Vec<usize> = if arguments.cases.is_empty() {
        cases::pairs(&all, usable, arguments.seed)
    } else {
        arguments.cases.iter().cloned().flatten().collect()
    };
    if let Some(number) = chosen.iter().find(|number| **number >= all.len()) {
        bail!("there is no case {number}: they end with {}", all.len() - 1);
    }
    if arguments.list {
        for number in chosen {
            println!("{number} {}", all[number]);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let Some(provider) = arguments.provider else {
        bail!("--provider is missing");
    };
    if !lockless {
        println!("skipped: cases with a lockless bitmap, since mdadm cannot make one");
    }
    let rig = Arc::new(Rig { provider });
    let mut failed = 0;
    let mut tried = 0;
    for number in chosen.into_iter().filter(|number| usable(&all[*number])) {
        tried += 1;
        if !is_ok(&rig, number, all[number])? {
            failed += 1;
        }
    }
    println!("{tried} cases, {failed} not ok");
    Ok(ExitCode::from(u8::from(failed > 0)))
}

/// Reads `A..B`, or `A` for the one case.
fn numbers(text: &str) -> Result<Range<usize>, String> {
    let number = |text: &str| text.parse().map_err(|_| format!("{text:?} is no number"));
    match text.split_once("..") {
        Some((first, end)) => Ok(number(first)?..number(end)?),
        None => number(text).map(|first| first..first + 1),
    }
}

/// Tries a case, and says what came of it. After one that hangs nothing can be tried.
fn is_ok(rig: &Arc<Rig>, number: usize, case: Case) -> Result<bool> {
    let began = Instant::now();
    let limit = LIMIT * patience();
    let (sender, receiver) = channel();
    let rig = Arc::clone(rig);
    thread::spawn(move || sender.send(rig.run(&case)));
    let verdict = match receiver.recv_timeout(limit) {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(error)) => Verdict {
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
    println!(
        "not ok {number} {case} ({met}): {}",
        verdict.wrong.join("; ")
    );
    println!(
        "  again: cargo vm run --build tests/scenarios/faulty.c --add tests/scenarios/lib.bash tests/scenarios/matrix.sh {number}..{}",
        number + 1
    );
    Ok(false)
}
