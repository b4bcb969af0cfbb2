// SPDX-License-Identifier: GPL-2.0

//! Compares rebuilds with those of the kernel's own md, as ratios that `rebuild.sh` measures in one
//! guest.
//!
//! `cargo bench --package md-p2p-tests --bench rebuild`

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use md_p2p_vm::run::trace;
use md_p2p_vm::{Environment, Pace, Run};

fn main() -> Result<ExitCode> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let outcome = Run::new(here.join("benches/rebuild.sh"))
        .file(here.join("scenarios/lib.bash"))
        .topology("switch")
        .pace(Pace::Parallel)
        .trace(trace::DMA)
        .timeout(Duration::from_secs(1200))
        .shown()
        .go(&Environment::ready()?)?;
    if outcome.status() != 0 {
        eprintln!("{}; see {}", outcome.end, outcome.folder.display());
    }
    Ok(ExitCode::from(outcome.status()))
}
