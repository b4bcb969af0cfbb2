// SPDX-License-Identifier: GPL-2.0
//! Loads md-p2p and its personalities.
//!
//! Tests: tests/mdadm.rs, and below.

use std::process::Command;

use anyhow::{Context, Result, bail};
use mdp2p_machine::kernel::modules::is_loaded;
use mdp2p_machine::programs::{ask, program};
use mdp2p_machine::sysroot::Sysroot;

/// Loads md-p2p, unless it is loaded.
///
/// # Errors
/// Says why it cannot be loaded, and where to get it.
pub fn load(sysroot: &Sysroot) -> Result<()> {
    load_module(sysroot, "md-p2p")
}

/// Loads a module of md-p2p, unless it is loaded.
///
/// # Errors
/// Says why it cannot be loaded, and where to get it.
pub fn load_module(sysroot: &Sysroot, module: &str) -> Result<()> {
    if is_loaded(sysroot, module) {
        return Ok(());
    }
    const HELP: &str = "`mdp2p module status` shows whether it is built and installed for this \
        kernel, and `mdp2p doctor` what prevents loading it";
    let modprobe = program("modprobe").with_context(|| {
        format!("{module} is not loaded, and modprobe is not found: install kmod")
    })?;
    let answer = ask(Command::new(&modprobe).arg(module));
    let answer = answer.with_context(|| modprobe.display().to_string())?;
    if !answer.status.success() {
        bail!(
            "{module} cannot be loaded: {}; {HELP}",
            one_line(&answer.complaint).unwrap_or_else(|| answer.status.to_string())
        );
    }
    if !is_loaded(sysroot, module) {
        bail!("modprobe reported success, but {module} is not loaded; {HELP}");
    }
    Ok(())
}

fn one_line(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    Some(lines.join("; ")).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use mdp2p_machine::testing::put;

    use super::*;

    #[test]
    fn a_module_is_known_by_its_folder() {
        let root = tempfile::tempdir().expect("a folder");
        put(root.path(), "sys/module/raid1_p2p/version", "");
        let sysroot = Sysroot::at(root.path()).expect("a machine");
        assert!(is_loaded(&sysroot, "raid1-p2p"));
        assert!(!is_loaded(&sysroot, "raid10-p2p"));
        assert!(load_module(&sysroot, "raid1-p2p").is_ok());
    }
}
