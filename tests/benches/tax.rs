// SPDX-License-Identifier: GPL-2.0

//! Compares what I/O from host memory costs with what it costs with the kernel's own md, in
//! instructions that `tax.sh` counts in one guest. Fails if md-p2p takes more than it may.
//!
//! `cargo bench --package md-p2p-tests --bench tax`

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};
use md_p2p_vm::{Environment, Pace, Run};

fn main() -> Result<ExitCode> {
    let environment = Environment::ready()?;
    let release = std::env::var("MD_P2P_KERNEL").ok();
    let kernel = environment.kernels().get_bootable(release.as_deref())?;
    // The kernel's own linear is in no package, but it is in the source that our build unpacks.
    let made = environment
        .kbuild::<&str>(kernel, &[], &[])?
        .status()?
        .success();
    ensure!(made, "the modules cannot be built, as shown above");

    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let md = here
        .join("../target/kbuild")
        .join(&kernel.release)
        .join("orig");
    let outcome = Run::new(here.join("benches/tax.sh"))
        .file(here.join("scenarios/lib.bash"))
        .kernel(&kernel.release)
        .build(md.join("md-linear.c"))
        .build(md.join("md.h"))
        .pace(Pace::Counted)
        .timeout(Duration::from_secs(1800))
        .shown()
        .go(&environment)?;
    if outcome.status() != 0 {
        eprintln!("{}; see {}", outcome.end, outcome.folder.display());
    }
    Ok(ExitCode::from(outcome.status()))
}
