// SPDX-License-Identifier: GPL-2.0
//! Finds out what an array and its partitions are used for.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use super::array::Array;
use crate::block::users;
use crate::sysroot::Sysroot;

/// Returns the known uses of an array, of its partitions, and of all that is built on these, each
/// with the name of the device. They end in this order.
///
/// # Errors
/// Fails if sysfs or procfs cannot be read.
pub fn of(sysroot: &Sysroot, array: &Array) -> Result<Vec<(String, users::Use)>> {
    users::above(sysroot, &array.name)
}

/// Returns the processes that have the array or a partition of it open, such as `fio (4711)`. Only
/// root sees those of others.
///
/// # Errors
/// Fails if sysfs cannot be read.
pub fn openers(sysroot: &Sysroot, array: &Array) -> Result<Vec<String>> {
    let names = users::family(sysroot, &array.name)?;
    let nodes: Vec<PathBuf> = names.iter().map(|it| format!("/dev/{it}").into()).collect();
    let is_process = |name: &String| name.bytes().all(|byte| byte.is_ascii_digit());
    let mut openers = Vec::new();
    for process in sysroot.names("proc")?.into_iter().filter(is_process) {
        // A process may end meanwhile, or be somebody else's.
        let files = format!("proc/{process}/fd");
        let open = sysroot.names(&files).unwrap_or_default();
        let is_ours = |file: &String| {
            let target = fs::read_link(sysroot.path(format!("{files}/{file}")));
            target.is_ok_and(|target| nodes.contains(&target))
        };
        if open.iter().any(is_ours) {
            let name = sysroot.read_if(format!("proc/{process}/comm"));
            let name = name.ok().flatten().unwrap_or_default();
            openers.push(format!("{name} ({process})").trim_start().to_owned());
        }
    }
    Ok(openers)
}
