// SPDX-License-Identifier: GPL-2.0
//! `mdp2p module load` and `mdp2p module unload`: run modprobe.
//!
//! Tests: tests/module.rs.

use std::ffi::OsString;
use std::io::Write;

use anyhow::{Result, bail};
use mdp2p_machine::kernel::modules::{self, MAIN, Mode};
use mdp2p_machine::kernel::release;
use mdp2p_machine::md::array::{self, Driver};
use mdp2p_machine::sysroot::Sysroot;

use super::status::describe_mode;
use super::step::{Step, run_all};
use crate::ui;

pub fn load(sysroot: &Sysroot, modules: &[String], dry_run: bool) -> Result<u8> {
    let release = release::running(sysroot)?;
    let installed = modules::installed(sysroot, &release)?;
    let loaded = modules::loaded(sysroot)?;
    let is_there = |name: &str| {
        let is_loaded = loaded.iter().any(|it| it.name == name);
        is_loaded || installed.iter().any(|it| it.name == name)
    };
    let others = modules.iter().map(String::as_str);
    let others = others.filter(|name| *name != MAIN);
    let wanted = || std::iter::once(MAIN).chain(others.clone());
    let missing: Vec<String> = wanted()
        .filter(|name| !is_there(name))
        .map(str::to_owned)
        .collect();
    if !missing.is_empty() {
        bail!(
            "not installed for kernel {release}: {}; build and install them: \
             sudo mdp2p module install",
            ui::list(missing)
        );
    }
    let step = modprobe("-a", wanted());
    let status = run_all(&[step], dry_run)?;
    if dry_run {
        return Ok(0);
    }
    if status != 0 {
        bail!("modprobe failed with status {status}; see mdp2p doctor");
    }
    match modules::mode(sysroot) {
        None => bail!("modprobe reported success, but md-p2p is not loaded: see dmesg"),
        mode => writeln!(ui::out(), "{MAIN}: {}", describe_mode(mode))?,
    }
    if modules::mode(sysroot) == Some(Mode::Beside) {
        writeln!(
            ui::out(),
            "plain mdadm talks to the kernel's md; mdp2p's commands and `mdp2p mdadm --` talk to md-p2p"
        )?;
    }
    Ok(0)
}

pub fn unload(sysroot: &Sysroot, dry_run: bool) -> Result<u8> {
    let arrays: Vec<String> = array::all(sysroot)?
        .into_iter()
        .filter(|array| array.driver == Driver::MdP2p)
        .map(|array| array.name)
        .collect();
    if !arrays.is_empty() {
        bail!(
            "md-p2p has arrays: {}; stop them first: mdp2p stop {}",
            arrays.join(", "),
            arrays.join(" ")
        );
    }
    let loaded = modules::loaded(sysroot)?;
    if loaded.is_empty() {
        writeln!(ui::out(), "none of md-p2p's modules is loaded")?;
        return Ok(0);
    }
    // MODULES has the personalities first, and so they are unloaded first.
    let step = modprobe("-r", loaded.iter().map(|it| it.name));
    run_all(&[step], dry_run)
}

fn modprobe<'a>(option: &'a str, modules: impl Iterator<Item = &'a str>) -> Step {
    let arguments = std::iter::once(option).chain(modules);
    Step {
        program: "modprobe".into(),
        arguments: arguments.map(OsString::from).collect(),
        package: "kmod",
    }
}
