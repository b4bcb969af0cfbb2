// SPDX-License-Identifier: GPL-2.0

//! Compares what a read into peer memory costs at raid5 of md-p2p with raid0 of the kernel's md, in
//! instructions that `peer-read.sh` counts in one guest. Fails if it costs more than it may.
//!
//! `cargo bench --package md-p2p-tests --bench peer-read`

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use md_p2p_vm::{Environment, Pace, Run};

fn main() -> Result<ExitCode> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let outcome = Run::new(here.join("benches/peer-read.sh"))
        .file(here.join("scenarios/lib.bash"))
        .topology("switch")
        .pace(Pace::Counted)
        .timeout(Duration::from_secs(1200))
        .shown()
        .go(&Environment::ready()?)?;
    if outcome.status() != 0 {
        eprintln!("{}; see {}", outcome.end, outcome.folder.display());
    }
    Ok(ExitCode::from(outcome.status()))
}
