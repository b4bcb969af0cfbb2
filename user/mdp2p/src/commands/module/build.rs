// SPDX-License-Identifier: GPL-2.0
//! `mdp2p module build` and `mdp2p module install`: run make in the source of md-p2p.
//!
//! Tests: tests/module.rs.

use std::env;
use std::ffi::OsString;

use anyhow::{Result, bail};
use mdp2p_machine::kernel::release::{self, display};
use mdp2p_machine::sysroot::Sysroot;

use super::options::Build;
use super::source::find_source;
use super::step::{Step, run_all};
use super::trust;

/// The packages that the build needs besides a compiler (docs/install.md). The stage preflight of
/// the build names everything that is missing.
const TOOLS: &str = "make gcc-14 rustc rust-src bindgen coccinelle libpython3-dev pahole bc \
                         flex bison libelf-dev libssl-dev";

pub fn run_make(sysroot: &Sysroot, options: &Build, target: Option<&str>) -> Result<u8> {
    let source = find_source(sysroot, options.source.as_deref())?;
    if sysroot.is_here() {
        if options.source.is_none() {
            trust::check(&source)?;
        }
        for folder in options.folders() {
            // make goes there first.
            trust::check_folder(&source.join("kbuild").join(folder))?;
        }
    }
    let release = match &options.kernel {
        Some(release) => release.clone(),
        None => release::running(sysroot)?,
    };
    let is_set = |variable: &str| {
        let in_arguments = |argument: &String| argument.starts_with(&format!("{variable}="));
        options.make.iter().any(in_arguments) || env::var_os(variable).is_some()
    };
    if release::headers(sysroot, &release).is_none() && !is_set("KDIR") {
        bail!("{}", describe_missing_headers(sysroot, &release));
    }
    let mut arguments = vec![
        "-C".into(),
        source.join("kbuild").into(),
        format!("KVER={release}").into(),
    ];
    arguments.extend(target.map(OsString::from));
    arguments.extend(options.make.iter().map(OsString::from));
    let step = Step {
        program: "make".into(),
        arguments,
        package: "make",
    };
    run_all(&[step], options.dry_run)
}

/// Says what to install if the headers of a kernel are missing.
fn describe_missing_headers(sysroot: &Sysroot, release: &str) -> String {
    // The text before the second dot: 7.3 of 7.3.4+deb13-amd64.
    let series: Vec<&str> = release.split(['.', '-', '+']).take(2).collect();
    let headers = display(&release::folder(sysroot, release).join("build"));
    format!(
        "there are no headers of kernel {release} in {headers}; install what the build needs: \
         apt install linux-headers-{release} linux-source-{} {TOOLS} \
         (or name their folder: -- KDIR=FOLDER)",
        series.join(".")
    )
}
