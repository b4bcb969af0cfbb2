// SPDX-License-Identifier: GPL-2.0
//! Chooses the block sizes that fit.
//!
//! Tests: tests/bench.rs.

use anyhow::{Result, bail};

use super::options::Bench;
use crate::ui;
use crate::workload::provider::{Provider, Room};
use mdp2p_machine::md::array::Array;
use mdp2p_machine::sysroot::Sysroot;

/// The block sizes that fit, and notes about the others.
pub struct Sizes {
    pub rooms: Vec<Room>,
    pub notes: Vec<String>,
}

/// Returns the block sizes that fit, and how many blocks of each can be in flight.
pub fn fit(provider: &Provider, options: &Bench, bytes: u64) -> Result<Sizes> {
    let depth = usize::try_from(options.depth)?;
    let (mut rooms, mut notes) = (Vec::new(), Vec::new());
    for &block in &options.block_size {
        if block > bytes {
            notes.push(format!(
                "{} was left out: there are only {} to move it in.",
                ui::bytes(block),
                ui::bytes(bytes)
            ));
            continue;
        }
        let block = usize::try_from(block)?;
        match provider.room(block, depth) {
            Some(room) => {
                if room.depth < depth {
                    notes.push(format!(
                        "Blocks of {}: only {} in flight, because {} has {} of p2pmem available.",
                        ui::bytes(block as u64),
                        room.depth,
                        provider.address,
                        ui::bytes(provider.available_bytes)
                    ));
                }
                rooms.push(room);
            }
            None => notes.push(format!("Left out: {}.", provider.why_no_room(block))),
        }
    }
    if rooms.is_empty() {
        bail!("{}", notes.join(" "));
    }
    Ok(Sizes { rooms, notes })
}

/// Fails if a block would begin or end within a sector of the array.
pub fn check_sectors(sysroot: &Sysroot, array: &Array, blocks: &[u64]) -> Result<()> {
    let path = format!("sys/block/{}/queue/logical_block_size", array.name);
    let sector = sysroot.value_if::<u64>(path)?.unwrap_or(512).max(1);
    match blocks.iter().find(|block| *block % sector != 0) {
        Some(block) => bail!(
            "--block-size {block}: {} has sectors of {sector} bytes, and a block must be a \
             multiple of that",
            array.name
        ),
        None => Ok(()),
    }
}
