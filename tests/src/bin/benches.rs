// SPDX-License-Identifier: GPL-2.0
//! `benches`: runs the benches, keeps their figures, and writes docs/performance.md. `make bench` calls
//! it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use clap::Parser;
use md_p2p_tests::figures::{BENCHES, Bench, Figure, Measured, document};
use md_p2p_tests::said::commit;

/// Runs the benches, and writes their figures into a document
#[derive(Parser)]
struct Arguments {
    /// Run only these; the others keep their figures
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Run none, and write what is kept
    #[arg(long, conflicts_with = "only")]
    write: bool,
    /// The folder in which figures are kept
    #[arg(long, value_name = "FOLDER", default_value = "target/benches")]
    kept: PathBuf,
    /// The document
    #[arg(long, value_name = "FILE", default_value = "docs/performance.md")]
    document: PathBuf,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let names: Vec<&str> = BENCHES.iter().map(|bench| bench.name).collect();
    for name in &arguments.only {
        let known = names.contains(&name.as_str());
        ensure!(
            known,
            "--only {name}: no such bench; there are {}",
            names.join(", ")
        );
    }
    fs::create_dir_all(&arguments.kept).with_context(|| arguments.kept.display().to_string())?;
    let is_wanted = |bench: &&Bench| {
        let all = arguments.only.is_empty() && !arguments.write;
        all || arguments.only.iter().any(|name| name == bench.name)
    };
    let mut failed = Vec::new();
    for bench in BENCHES.iter().filter(is_wanted) {
        println!("== {}: {}", bench.name, bench.command);
        let (measured, is_well) = run(bench)?;
        if !is_well {
            failed.push(bench.name);
        }
        let text = serde_json::to_string(&measured)?;
        fs::write(arguments.place(bench), text)?;
    }
    let text = document(|bench| arguments.measured(bench));
    fs::write(&arguments.document, text)
        .with_context(|| arguments.document.display().to_string())?;
    println!("{}: written", arguments.document.display());
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("failed, or over a limit: {}", failed.join(", "));
    Ok(ExitCode::FAILURE)
}

impl Arguments {
    fn place(&self, bench: &Bench) -> PathBuf {
        self.kept.join(format!("{}.json", bench.name))
    }

    /// Returns what a bench said last; `None` if nobody has run it here.
    fn measured(&self, bench: &Bench) -> Option<Measured> {
        let text = fs::read_to_string(self.place(bench)).ok()?;
        serde_json::from_str(&text).ok()
    }
}

/// Runs a bench and shows what it prints. Tells whether it succeeded with figures that hold.
fn run(bench: &Bench) -> Result<(Measured, bool)> {
    let commit = commit()?;
    let began = Instant::now();
    let mut words = bench.command.split(' ');
    let mut child = Command::new(words.next().unwrap_or_default())
        .args(words)
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{}: it does not start", bench.command))?;
    let output = child.stdout.take().context("no output")?;
    let mut figures = Vec::new();
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        if let Some(figure) = Figure::of(&line) {
            figures.push(figure.map_err(|why| anyhow!("{}: {why}", bench.name))?);
        }
    }
    let status = child.wait()?;
    let is_well = status.success() && !figures.is_empty() && figures.iter().all(Figure::holds);
    let measured = Measured {
        commit,
        seconds: began.elapsed().as_secs(),
        status: status.to_string(),
        figures,
    };
    Ok((measured, is_well))
}
