// SPDX-License-Identifier: GPL-2.0
//! Who copies what is staged from or to the memory of a provider: a DMA engine, or the CPU. The
//! kernel says it once an array of md-p2p runs; before, the kernel's choice is forecast.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use super::array::Array;
use super::copier::Copier;
use crate::pci::bdf::Bdf;
use crate::pci::devices::Devices;
use crate::pci::engines::{self, Engine};
use crate::pci::reach::{Rules, Source, Way};
use crate::sysroot::Sysroot;

const PARAMETERS: &str = "sys/module/md_p2p/parameters";

/// The driver whose engines md-p2p uses unless it was told otherwise. Drivers of other engines
/// report errors as success, or cannot be stopped.
const DRIVER: &str = "idxd";

/// Why an engine does not copy for a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// md-p2p does not use engines of its driver.
    Driver,
    /// It does not reach the provider.
    Unreachable,
    /// It is a DSA, and no work queue of it is dmaengine's.
    NoQueue,
    /// It has no channel that nobody uses.
    NoChannel,
    /// Nothing speaks against it, so the kernel knows more: the engine may have failed.
    Unknown,
}

/// An engine that does not copy for a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The engine.
    pub engine: Bdf,
    /// Why it does not.
    pub why: Refusal,
}

/// Who copies for a provider, and why not somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Staging {
    /// The provider.
    pub provider: Bdf,
    /// Who copies.
    #[serde(flatten)]
    pub copier: Copier,
    /// Who says so.
    pub source: Source,
    /// If the CPU copies: the engines that do not.
    pub refused: Vec<Refused>,
}

/// What is known of all that could copy.
#[derive(Clone, Debug)]
pub struct Copiers {
    /// The DMA engines.
    pub engines: Vec<Engine>,
    /// The drivers whose engines md-p2p uses; none if the CPU is to copy.
    pub drivers: Vec<String>,
    /// How many bytes the CPU loads at once from uncached memory; `None` if that is not known.
    pub copy_bytes: Option<u32>,
    told: BTreeMap<Bdf, Copier>,
}

impl Copiers {
    /// Reads what is known of a machine with these devices and arrays.
    ///
    /// # Errors
    /// If a file in sysfs cannot be read or understood; the error names the file.
    pub fn read(sysroot: &Sysroot, devices: &Devices, arrays: &[Array]) -> Result<Self> {
        let drivers = sysroot.read_if(format!("{PARAMETERS}/p2pdma_engines"));
        let drivers = sysroot.tolerate(drivers)?.flatten();
        let drivers = drivers.map_or_else(|| vec![DRIVER.to_owned()], |list| names(&list));
        let copy_bytes = sysroot.value_if(format!("{PARAMETERS}/p2pdma_copy_bytes"));
        let p2p = arrays.iter().filter_map(|array| array.p2p.as_ref());
        let told = p2p.flat_map(|p2p| p2p.staging.iter().flatten());
        let told = told.map(|told| (told.provider, told.copier.clone()));
        Ok(Self {
            engines: engines::all(sysroot, devices, &drivers)?,
            drivers,
            copy_bytes: sysroot
                .tolerate(copy_bytes)?
                .flatten()
                .filter(|bytes| *bytes > 0),
            told: told.collect(),
        })
    }

    /// Returns the engine that a device is.
    pub fn engine(&self, address: Bdf) -> Option<&Engine> {
        self.engines.iter().find(|engine| engine.address == address)
    }

    /// Tells who copies for a provider: as the kernel says or, if it does not, the nearest engine
    /// that could.
    pub fn of(&self, rules: &Rules, provider: Bdf) -> Staging {
        let judged = self.engines.iter();
        let judged = judged.map(|engine| self.judge(rules, provider, engine));
        let (able, refused): (Vec<_>, Vec<_>) = judged.partition(Result::is_ok);
        let nearest = able.into_iter().flatten().min_by_key(|able| able.distance);
        let refused = refused.into_iter().filter_map(Result::err);
        let (copier, source) = match (self.told.get(&provider), &nearest) {
            (Some(told), _) => (told.clone(), Source::Kernel),
            (None, Some(nearest)) => (nearest.copier.clone(), Source::Computed),
            (None, None) => (Copier::Cpu, Source::Computed),
        };
        let unknown = nearest.map(|it| Refused {
            engine: it.engine,
            why: Refusal::Unknown,
        });
        let refused = match copier {
            Copier::Cpu => refused.chain(unknown).collect(),
            Copier::Engine { .. } => Vec::new(),
        };
        Staging {
            provider,
            copier,
            source,
            refused,
        }
    }

    /// Tells whether an engine could copy for a provider.
    fn judge(&self, rules: &Rules, provider: Bdf, engine: &Engine) -> Result<Able, Refused> {
        let refused = |why| Refused {
            engine: engine.address,
            why,
        };
        let driver = engine.driver.as_ref();
        if driver.is_none_or(|driver| !self.drivers.contains(driver)) {
            return Err(refused(Refusal::Driver));
        }
        let reach = rules.reach(provider, engine.address);
        if reach.way == Way::No {
            return Err(refused(Refusal::Unreachable));
        }
        let no_channel = match (&engine.dsa, &engine.channels[..]) {
            (Some(_), []) => Refusal::NoQueue,
            _ => Refusal::NoChannel,
        };
        let channel = engine.free_channel().ok_or(refused(no_channel))?;
        Ok(Able {
            engine: engine.address,
            distance: reach.distance,
            copier: Copier::Engine {
                device: engine.address,
                channel: channel.name.clone(),
            },
        })
    }

    /// Estimates the MB per second at which the CPU loads a provider's memory: each load is a round
    /// trip of half a microsecond to one.
    pub fn estimate(&self) -> [u32; 2] {
        let [least, most] = self.copy_bytes.map_or([8, 64], |bytes| [bytes, bytes]);
        [least, most.saturating_mul(2)]
    }
}

/// An engine that could copy for a provider.
struct Able {
    engine: Bdf,
    distance: Option<u32>,
    copier: Copier,
}

/// Returns the drivers in the value of `p2pdma_engines`, which has `none` or nothing for none.
fn names(list: &str) -> Vec<String> {
    let names = list.split([',', '\n']).map(str::trim);
    let names = names.filter(|name| !matches!(*name, "" | "none" | "(null)"));
    names.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drivers_of_engines_are_a_list() {
        assert_eq!(names("idxd"), ["idxd"]);
        assert_eq!(names("idxd,edu"), ["idxd", "edu"]);
        for none in ["", "none", "(null)"] {
            assert_eq!(names(none), [""; 0]);
        }
    }
}
