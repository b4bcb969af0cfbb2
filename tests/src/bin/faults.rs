// SPDX-License-Identifier: GPL-2.0
//! `faults`: tries the cases of the fault matrix one after the other, in one boot. Ends with 0
//! if all are well, 1 if one is not.

use std::ops::Range;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;
use md_p2p_tests::array::has_lockless;
use md_p2p_tests::fault_trial::FaultTrial;
use md_p2p_tests::faults::{self, Bitmap, Case};
use md_p2p_tests::trial;
use mdp2p_machine::pci::bdf::Bdf;

/// The command that tries a case again, without its number.
const AGAIN: &str = "cargo vm run --build tests/scenarios/files/faulty.c --build tests/scenarios/files/softdma.c --add tests/scenarios/lib.bash tests/scenarios/faults.sh";

/// Tries cases of the fault matrix on /dev/faulty0 and so on
#[derive(Parser)]
#[command(name = "faults", version)]
struct Arguments {
    /// The PCI address of the provider: the device that faulty.ko was told
    #[arg(long, required_unless_present_any = ["list", "count"])]
    provider: Option<Bdf>,
    /// Try these cases, A..B or one number, instead of a choice that has every pair of factors
    #[arg(value_parser = trial::numbers)]
    cases: Vec<Range<usize>>,
    /// The seed of the choice
    #[arg(long, default_value = "1")]
    seed: u64,
    /// Only list the cases
    #[arg(long)]
    list: bool,
    /// Only print the number of cases
    #[arg(long)]
    count: bool,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let all = faults::all();
    if arguments.count {
        println!("{}", all.len());
        return Ok(ExitCode::SUCCESS);
    }
    let lockless = arguments.list || has_lockless()?;
    let usable = |case: &Case| lockless || case.bitmap != Bitmap::Lockless;
    let chosen = if arguments.cases.is_empty() {
        faults::pairs(&all, usable, arguments.seed)
    } else {
        trial::chosen(&arguments.cases, all.len())?
    };
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
        println!("skipped: cases with a lockless bitmap, which this kernel does not know");
    }
    let numbered = chosen.into_iter().map(|number| (number, all[number]));
    trial::run(
        FaultTrial::new(provider),
        numbered.filter(|(_, case)| usable(case)),
        AGAIN,
    )
}
