// SPDX-License-Identifier: GPL-2.0
//! Samples arrays and providers.

use std::time::{Duration, Instant};

use crate::control::moving;
use anyhow::{Result, bail};
use mdp2p_machine::md::array::{self, Array};
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::devices;
use mdp2p_machine::sysroot::Sysroot;
use serde::Serialize;

use super::rate::{self, ArrayCounts};

/// The arrays to sample.
#[derive(Clone, Debug)]
pub enum Selection {
    /// All arrays of md-p2p.
    All,
    /// The arrays with these names in `/sys/block`.
    Named(Vec<String>),
}

/// What was read of arrays and providers at one time.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// When the sample was taken.
    #[serde(skip)]
    pub at: Instant,
    /// The counts of the arrays.
    pub arrays: Vec<ArrayCounts>,
    /// The providers.
    pub providers: Vec<ProviderMemory>,
}

/// The memory of a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProviderMemory {
    /// The provider.
    pub address: Bdf,
    /// All of its memory, in bytes.
    pub bytes: u64,
    /// The memory that nobody has allocated, in bytes.
    pub available_bytes: u64,
    /// Whether others may allocate it: whether the provider is a lender.
    pub published: bool,
}

impl Selection {
    /// Selects the arrays that a user names, or all arrays if none is named.
    ///
    /// # Errors
    /// If an array does not exist, or is driven by the kernel's md.
    pub fn of(sysroot: &Sysroot, arrays: &[String]) -> Result<Self> {
        if arrays.is_empty() {
            return Ok(Self::All);
        }
        let mut names = Vec::new();
        for wanted in arrays {
            let Array { name, p2p, .. } = array::find(sysroot, wanted)?;
            if p2p.is_none() {
                bail!(
                    "{name} is an array of the kernel's own md, which counts no peer I/O; {}",
                    moving::pointer(&name)
                );
            }
            // md0 and /dev/md/data may be one array.
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(Self::Named(names))
    }

    /// Reads the selected arrays that exist now.
    fn read(&self, sysroot: &Sysroot) -> Result<Vec<Array>> {
        let names = match self {
            Self::All => return array::all(sysroot),
            Self::Named(names) => names,
        };
        let mut arrays = Vec::new();
        for name in names {
            let is_there = || sysroot.has(format!("sys/block/{name}/md"));
            if !is_there() {
                continue;
            }
            match Array::read(sysroot, name) {
                Ok(array) => arrays.push(array),
                Err(_) if !is_there() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(arrays)
    }
}

impl Sample {
    /// Takes a sample.
    ///
    /// # Errors
    /// If sysfs cannot be read or understood; the error names the file.
    pub fn take(sysroot: &Sysroot, selection: &Selection) -> Result<Self> {
        let at = Instant::now();
        let arrays = selection.read(sysroot)?;
        let providers = devices::provider_memory(sysroot)?;
        Ok(Self {
            at,
            arrays: arrays.into_iter().filter_map(ArrayCounts::of).collect(),
            providers: providers
                .into_iter()
                .map(|(address, memory)| ProviderMemory {
                    address,
                    bytes: memory.bytes,
                    available_bytes: memory.available_bytes,
                    published: memory.published,
                })
                .collect(),
        })
    }

    /// Returns what was counted since the sample `before`, and the time in between.
    pub fn since(&self, before: &Self) -> (Vec<ArrayCounts>, Duration) {
        let elapsed = self.at.saturating_duration_since(before.at);
        (
            rate::between(&before.arrays, &self.arrays, elapsed),
            elapsed,
        )
    }
}
