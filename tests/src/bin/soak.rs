// SPDX-License-Identifier: GPL-2.0
//! `soak`: runs every case that has not passed at this commit, and keeps a ledger. `make soak` calls
//! it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use md_p2p_tests::ledger::{Ledger, Record};
use md_p2p_tests::said::{commit, said};
use md_p2p_tests::soak::{self, Soak};
use md_p2p_tests::soak_tables;
use regex_lite::Regex;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Runs everything that can be tried, and goes on where it stopped
#[derive(Parser)]
struct Arguments {
    /// The ledger: a line of JSON for each case that was run
    #[arg(long, value_name = "FILE", default_value = "target/soak/ledger.jsonl")]
    ledger: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run the cases that have not passed at this commit
    Run(Wanted),
    /// Print the cases that `run` would run
    List(Wanted),
    /// Print the ledger as tables
    Report,
}

#[derive(Args)]
struct Wanted {
    /// Take only cases whose `SOURCE/CASE KERNEL` matches
    #[arg(long, value_name = "REGEX")]
    only: Option<Regex>,
    /// Begin no case after so many hours
    #[arg(long, value_name = "HOURS")]
    hours: Option<f64>,
    /// The seed of the cases' I/O
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
    /// Run so many cases at the same time
    #[arg(long, value_name = "NUMBER", default_value_t = 2)]
    jobs: usize,
    /// A kernel to try [default: all of the environment]
    #[arg(long = "kernel", value_name = "RELEASE")]
    kernels: Vec<String>,
    /// A name for this state of the repository [default: git's]
    #[arg(long, value_name = "NAME")]
    commit: Option<String>,
    /// The folder of the sources, which are programs
    #[arg(long, value_name = "FOLDER", default_value = "tests/soak")]
    sources: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match work(&arguments) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("soak: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn work(arguments: &Arguments) -> Result<ExitCode> {
    let record = Record::read(&arguments.ledger)?;
    let wanted = match &arguments.verb {
        Verb::Report => {
            print!("{}", soak_tables::tables(&record));
            return Ok(ExitCode::SUCCESS);
        }
        Verb::Run(wanted) | Verb::List(wanted) => wanted,
    };
    let soak = Soak {
        sources: wanted.sources.clone(),
        logs: arguments.ledger.with_file_name("logs"),
        commit: wanted.commit.clone().map_or_else(commit, Ok)?,
        seed: wanted.seed,
        end: wanted.end()?,
    };
    let cases = soak::cases(&soak.sources, &wanted.kernels()?)?;
    let due = soak.due(cases, wanted.only.as_ref(), &record);
    if matches!(arguments.verb, Verb::List(_)) {
        due.iter().for_each(|case| println!("{case}"));
        return Ok(ExitCode::SUCCESS);
    }
    println!("{} cases at {}", due.len(), soak.commit);
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let sum = soak.run(due, wanted.jobs, Ledger::open(&arguments.ledger)?, &stop)?;
    println!("{sum}");
    Ok(ExitCode::from(u8::from(sum.failed > 0)))
}

impl Wanted {
    fn end(&self) -> Result<Option<Instant>> {
        let time = self
            .hours
            .map(|hours| Duration::try_from_secs_f64(hours * 3600.0));
        let time = time.transpose().context("--hours")?;
        Ok(time.map(|time| Instant::now() + time))
    }

    fn kernels(&self) -> Result<Vec<String>> {
        if !self.kernels.is_empty() {
            return Ok(self.kernels.clone());
        }
        let list = said("cargo", &["vm", "list"])?;
        Ok(list.lines().filter_map(kernel).map(str::to_owned).collect())
    }
}

/// Returns the release if a line of `cargo vm list` is about a kernel that boots, or `None`.
fn kernel(line: &str) -> Option<&str> {
    match line.split_whitespace().collect::<Vec<_>>()[..] {
        ["kernel" | "debug", release, "boots"] => Some(release),
        _ => None,
    }
}
