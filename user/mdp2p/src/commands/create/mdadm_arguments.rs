// SPDX-License-Identifier: GPL-2.0
//! Builds mdadm's command line.
//!
//! Tests: tests/create.rs.

use std::ffi::OsString;

use mdp2p_machine::block::device::BlockDevice;
use mdp2p_machine::md::level::Level;

use super::bitmap::Answer;
use super::options::Create;

pub fn mdadm_arguments(
    node: &str,
    level: Level,
    options: &Create,
    members: &[Option<BlockDevice>],
    spares: &[BlockDevice],
    journal: Option<&BlockDevice>,
    bitmap: &Answer,
) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec![
        "--create".into(),
        node.into(),
        format!("--level={}", level.mdadm_name()).into(),
        format!("--raid-devices={}", members.len()).into(),
    ];
    if !spares.is_empty() {
        arguments.push(format!("--spare-devices={}", spares.len()).into());
    }
    if let Some(device) = journal {
        arguments.push("--write-journal".into());
        arguments.push(device.node.clone().into());
    }
    arguments.extend(bitmap.argument.map(OsString::from));
    if options.yes {
        arguments.push("--run".into());
    }
    arguments.extend(options.options.iter().map(OsString::from));
    arguments.extend(members.iter().map(|member| match member {
        Some(device) => device.node.clone().into(),
        None => "missing".into(),
    }));
    arguments.extend(spares.iter().map(|device| device.node.clone().into()));
    arguments
}
