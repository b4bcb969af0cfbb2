// SPDX-License-Identifier: GPL-2.0
//! `mdp2p module sign`: signs the installed modules with the kernel's sign-file.
//!
//! Tests: tests/module.rs.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use mdp2p_machine::kernel::config::Options;
use mdp2p_machine::kernel::modules::{self, Installed};
use mdp2p_machine::kernel::release::{self, display};
use mdp2p_machine::kernel::secure_boot::{CERTIFICATE, KEY};
use mdp2p_machine::programs;
use mdp2p_machine::sysroot::Sysroot;

use super::step::{Step, run_all};
use crate::ui;

pub fn sign(
    sysroot: &Sysroot,
    named: Option<&str>,
    pair: Option<(&Path, &Path)>,
    dry_run: bool,
) -> Result<u8> {
    let release = release::find(sysroot, named)?;
    let installed = modules::installed(sysroot, &release)?;
    if installed.is_empty() {
        bail!(
            "no module of md-p2p is installed for kernel {release}: sudo mdp2p module install \
             --kernel {release}"
        );
    }
    if let Some(packed) = installed.iter().find(|it| it.compression.is_some()) {
        bail!(
            "{}: a compressed module cannot be signed; unpack all of them, or install them again: \
             sudo mdp2p module install --kernel {release}",
            display(&packed.path)
        );
    }
    let tool = find_sign_file(sysroot, &release)?;
    let (key, certificate) = match pair {
        Some((key, certificate)) => (key.to_owned(), certificate.to_owned()),
        None => (sysroot.path(KEY), sysroot.path(CERTIFICATE)),
    };
    for file in [&key, &certificate] {
        if !file.is_file() {
            bail!("{}", describe_missing_key(file));
        }
    }
    let options = Options::read(sysroot, &release)?;
    let hash = options.as_ref().and_then(|it| it.get("MODULE_SIG_HASH"));
    let (done, todo): (Vec<_>, Vec<_>) = installed.iter().partition(|it| it.signed == Some(true));
    let step = |module: &&Installed| Step {
        program: tool.clone().into(),
        arguments: vec![
            // The default of the kernel's own configuration.
            hash.unwrap_or("sha256").into(),
            key.clone().into(),
            certificate.clone().into(),
            sysroot.path(&module.path).into(),
        ],
        package: "",
    };
    let steps: Vec<Step> = todo.iter().map(step).collect();
    let status = run_all(&steps, dry_run)?;
    if dry_run || status != 0 {
        return Ok(status);
    }
    let mut out = ui::out();
    if !done.is_empty() {
        writeln!(
            out,
            "already signed: {}; to use another key, install and sign again",
            done.len()
        )?;
    }
    writeln!(
        out,
        "signed now: {}. If the firmware does not have the key yet, enroll it:\n  \
         mokutil --import {}\n\
         It asks for a password; reboot, and enter it on the blue screen.",
        todo.len(),
        programs::command_line([&certificate])
    )?;
    Ok(0)
}

fn find_sign_file(sysroot: &Sysroot, release: &str) -> Result<PathBuf> {
    let tool = release::headers(sysroot, release)
        .map(|headers| headers.join("scripts/sign-file"))
        .filter(|tool| sysroot.has(tool));
    match tool {
        Some(tool) => Ok(sysroot.path(tool)),
        None => bail!(
            "there is no scripts/sign-file in the headers of kernel {release}; \
             install them: apt install linux-headers-{release}"
        ),
    }
}

fn describe_missing_key(file: &Path) -> String {
    format!(
        "{}: there is no such key; name one with --key and --certificate, or make one: \
         openssl req -new -x509 -newkey rsa:2048 -nodes -days 36500 -subj /CN=md-p2p/ \
         -keyout mok.key -outform DER -out mok.pub",
        file.display()
    )
}
