// SPDX-License-Identifier: GPL-2.0
//! `sequences`: plays sequences of events one after the other, in one boot. Ends with 0 if all
//! are well, 1 if one is not.

use std::ops::Range;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;
use md_p2p_tests::sequence_trial::SequenceTrial;
use md_p2p_tests::sequences::{self, Sequence};
use md_p2p_tests::trial;
use mdp2p_machine::pci::bdf::Bdf;

/// The command that plays a sequence again, without its number.
const AGAIN: &str = "cargo vm run --topology split --build tests/scenarios/files/faulty.c --add tests/scenarios/lib.bash tests/scenarios/sequences.sh";

/// Plays sequences of events on /dev/faulty0 and so on
#[derive(Parser)]
#[command(name = "sequences", version)]
struct Arguments {
    /// The PCI address of the provider: the device that faulty.ko was told
    #[arg(long, required_unless_present_any = ["list", "count"])]
    provider: Option<Bdf>,
    /// Play these sequences, A..B or one number
    #[arg(value_parser = trial::numbers, required_unless_present = "count")]
    sequences: Vec<Range<usize>>,
    /// Only list the sequences
    #[arg(long)]
    list: bool,
    /// Only print the number of sequences
    #[arg(long)]
    count: bool,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if arguments.count {
        println!("{}", sequences::count());
        return Ok(ExitCode::SUCCESS);
    }
    let chosen = trial::chosen(&arguments.sequences, sequences::count())?;
    let chosen: Vec<Sequence> = chosen.into_iter().filter_map(Sequence::new).collect();
    if arguments.list {
        for sequence in chosen {
            let same = if sequence.has_idle_event() {
                " (a shorter one says the same)"
            } else {
                ""
            };
            println!("{} {sequence}{same}", sequence.number);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let Some(provider) = arguments.provider else {
        bail!("--provider is missing");
    };
    let idle = chosen.iter().filter(|sequence| sequence.has_idle_event());
    println!("{} sequences say what shorter ones say", idle.count());
    let chosen = chosen
        .into_iter()
        .filter(|sequence| !sequence.has_idle_event());
    let numbered = chosen
        .into_iter()
        .map(|sequence| (sequence.number, sequence));
    trial::run(SequenceTrial::new(provider), numbered, AGAIN)
}
