// SPDX-License-Identifier: GPL-2.0
//! Measures what the CPU does with a provider's memory itself, which is what it does when it stages.
//!
//! Tests: tests/bench.rs.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use crate::workload::provider::Provider;
use mdp2p_io::memory::{Buffer, Memory, PAGE};
use mdp2p_io::raw::{self, Access};
use mdp2p_machine::sysroot::Sysroot;

/// The bytes that are accessed over and over. No cache holds any of a provider's memory.
const BYTES: usize = 16 * PAGE;

/// The rates of one width.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Raw {
    /// Bytes of one instruction.
    pub width: usize,
    /// Loads, of which a staged write is made.
    pub load_bytes_per_second: f64,
    /// Stores, of which a staged read is made.
    pub store_bytes_per_second: f64,
}

/// Measures each width of this processor, for `time` altogether.
pub fn measure(sysroot: &Sysroot, provider: &Provider, time: Duration) -> Result<Vec<Raw>> {
    let available = usize::try_from(provider.available_bytes).unwrap_or(usize::MAX);
    let bytes = BYTES.min(available / PAGE * PAGE).max(PAGE);
    let memory = Memory::Peer(provider.address);
    let mut buffer = Buffer::new(memory, bytes, &sysroot.path("sys"))?;
    let widths = raw::widths();
    let each = time / (2 * widths.len() as u32);
    let mut rate = |access, width| rate(&mut buffer, access, width, each);
    let row = |width| Raw {
        width,
        load_bytes_per_second: rate(Access::Load, width),
        store_bytes_per_second: rate(Access::Store, width),
    };
    Ok(widths.into_iter().map(row).collect())
}

/// Accesses the buffer over and over for `time`, and returns the bytes per second.
fn rate(buffer: &mut Buffer, access: Access, width: usize, time: Duration) -> f64 {
    let start = Instant::now();
    let mut bytes = 0;
    while bytes == 0 || start.elapsed() < time {
        bytes += buffer.access(access, width);
    }
    bytes as f64 / start.elapsed().as_secs_f64()
}
