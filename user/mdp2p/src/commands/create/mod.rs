// SPDX-License-Identifier: GPL-2.0
//! `mdp2p create`: shows the plan, inspects the devices that would be overwritten, asks, and lets
//! mdadm make the array.
//!
//! Tests: tests/create.rs, the scenario mdp2p.sh, and below.

mod bitmap;
mod checks;
mod device_reach;
pub mod forecast;
mod forecaster;
mod inspection;
mod mdadm_arguments;
mod mdadm_options;
mod options;
pub mod plan;
mod print;
mod warnings;

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use mdp2p_machine::md::array::{self, Array, Driver};
use mdp2p_machine::programs;
use mdp2p_machine::sysroot::Sysroot;

use self::inspection::{allowed_to_overwrite, inspect, inspect_again, refuse};
pub use self::options::Create;
use self::plan::Plan;
use self::print::{indented, print_array, print_plan};
use crate::command::Command;
use crate::control::{mdadm, modprobe, privilege};
use crate::ui;

/// How long an array may take to appear after mdadm has made it.
const PATIENCE: Duration = Duration::from_secs(10);

impl Command for Create {
    fn changes(&self) -> bool {
        !self.dry_run
    }

    /// Makes the array.
    ///
    /// # Errors
    /// Says why the array cannot or must not be made, and what was changed by then.
    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        if !self.dry_run {
            privilege::need_root("make arrays")?;
        }
        let plan = Plan::of(sysroot, self)?;
        let blkid = programs::program("blkid");
        let findings = inspect(sysroot, &plan, blkid.as_deref())?;
        let overwrite = allowed_to_overwrite(sysroot, &plan, &self.overwrite)?;
        print_plan(&plan, &findings, sysroot.is_here()).map_err(|error| match self.dry_run {
            true => error,
            // Nobody saw the plan, so a broken pipe is no success here, though it is elsewhere.
            false => anyhow!("the plan cannot be shown: {error:#}; nothing was changed"),
        })?;

        if self.require_direct {
            let not_direct = plan.not_direct();
            if !not_direct.is_empty() {
                bail!(
                    "--require-direct: not all I/O would be direct; nothing was changed\n{}",
                    indented(&not_direct)
                );
            }
        }
        let unknown_matters = !self.dry_run;
        refuse(&plan, &findings, &overwrite, unknown_matters)?;
        if self.dry_run {
            writeln!(ui::out(), "\nThis was a dry run: nothing was changed.")?;
            return Ok(0);
        }

        let program = mdadm::find()?;
        let question = format!(
            "Make {}? The contents of its members will be lost.",
            plan.node
        );
        ui::confirm(&question, self.yes)?;
        modprobe::load(sysroot)?;
        modprobe::load_module(sysroot, plan.level.module())?;
        inspect_again(sysroot, &plan, blkid.as_deref(), &overwrite)?;
        mdadm::succeed(sysroot, &program, &plan.arguments)
            .context("mdp2p has loaded modules and changed nothing else")?;
        let array = wait_until_running(sysroot, &plan.node, PATIENCE)?;
        for setting in &plan.settings {
            setting
                .apply(sysroot, &array)
                .with_context(|| format!("{} was made, but without this setting", plan.node))?;
        }
        // Read again, because the settings have changed it.
        print_array(&Array::read(sysroot, &array.name)?)?;
        Ok(0)
    }
}

/// Waits until the array runs.
///
/// # Errors
/// Fails if it does not run within `patience`, or if it is not an array of md-p2p.
fn wait_until_running(sysroot: &Sysroot, node: &str, patience: Duration) -> Result<Array> {
    let end = Instant::now() + patience;
    loop {
        // The array may be half made by now.
        match array::find(sysroot, node) {
            Ok(array) if !matches!(array.state.as_str(), "" | "clear") => {
                if array.driver == Driver::Md {
                    bail!(
                        "{node} was made, but by the kernel's md, which holds this name: stop it \
                         with `mdadm --stop {node}`, remove the node, and try another name"
                    );
                }
                return Ok(array);
            }
            state if Instant::now() >= end => {
                let why = match state {
                    Ok(array) => format!("{} is {}", array.name, array.state),
                    Err(error) => format!("{error:#}"),
                };
                bail!(
                    "mdadm has made {node}, but it does not run after {} s: {why}; the kernel \
                     log (`dmesg`) may say more",
                    patience.as_secs()
                );
            }
            _ => thread::sleep(Duration::from_millis(50)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use mdp2p_machine::testing::put;

    use super::*;

    fn sysroot() -> (tempfile::TempDir, Sysroot) {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(root.path().join("sys/block")).expect("sys");
        let sysroot = Sysroot::at(root.path()).expect("a host");
        (root, sysroot)
    }

    #[test]
    fn an_array_is_waited_for_until_it_runs() {
        let (root, sysroot) = sysroot();
        put(root.path(), "sys/block/md0/md/p2pdma_state", "off\n");
        put(root.path(), "sys/block/md0/md/array_state", "clear\n");
        let at = root.path().to_owned();
        let mdadm = thread::spawn(move || {
            thread::sleep(Duration::from_millis(200));
            put(&at, "sys/block/md0/md/array_state", "active\n");
        });
        let array =
            wait_until_running(&sysroot, "/dev/md0", Duration::from_secs(20)).expect("an array");
        // The state may have been read while the file was being written.
        assert_ne!(array.state, "clear");
        mdadm.join().expect("a thread");
    }

    #[test]
    fn waiting_ends_with_what_is_there_instead() {
        let (root, sysroot) = sysroot();
        let wait = || wait_until_running(&sysroot, "/dev/md0", Duration::ZERO);
        let error = wait().expect_err("no array").to_string();
        assert!(error.contains("no array is running"), "{error}");
        put(root.path(), "sys/block/md0/md/array_state", "clear\n");
        let error = wait().expect_err("no array").to_string();
        assert!(error.contains("md0 is clear"), "{error}");
        put(root.path(), "sys/block/md0/md/array_state", "clean\n");
        let error = wait().expect_err("the kernel's").to_string();
        assert!(error.contains("by the kernel's md"), "{error}");
    }
}
