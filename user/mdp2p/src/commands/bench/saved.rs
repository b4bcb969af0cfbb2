// SPDX-License-Identifier: GPL-2.0
//! The file of `mdp2p bench --save`, which people send to each other. It says what kind of machine
//! was measured, and has no name, path, address or serial number.
//!
//! Tests: tests/bench.rs, which checks it against schema/bench-saved.json.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::report::{BenchReport, Figures};
use mdp2p_machine::kernel::release;
use mdp2p_machine::md::array::Array;
use mdp2p_machine::pci::devices::Devices;
use mdp2p_machine::sysroot::{Sysroot, bounded};
use mdp2p_machine::text::shown;

/// What the file is, so that no other JSON is taken for it.
const KIND: &str = "mdp2p bench";

/// The version of the file. It is raised when a key changes its meaning or is removed.
const VERSION: u32 = 1;

/// A measurement of a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    kind: String,
    version: u32,
    /// The version of mdp2p.
    pub mdp2p: String,
    /// The machine.
    pub machine: Kinds,
    /// The blocks through host memory and through peer memory.
    pub results: Vec<Row>,
    /// The CPU and the provider's memory itself; empty without `--staging`.
    pub raw: Vec<RawRow>,
}

/// What kind of machine was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kinds {
    /// The kernel's release.
    pub kernel: String,
    /// The model of the processor.
    pub processor: String,
    /// The vendor of the virtual machine, in which figures mean nothing.
    pub virtual_machine: Option<String>,
    /// `md` or `md-p2p`.
    pub driver: String,
    /// The level of the array.
    pub level: String,
    /// The size of a chunk; 0 for levels without chunks.
    pub chunk_bytes: u64,
    /// The model of each member.
    pub members: Vec<String>,
    /// Vendor and device of the provider.
    pub provider: String,
    /// The distance of the members from it.
    pub distance: String,
}

/// An operation with blocks of one size, through one memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Bytes of a block.
    pub block_bytes: u64,
    /// `read` or `write`.
    pub operation: String,
    /// `host` or `peer`.
    pub memory: String,
    /// Blocks in flight.
    pub depth: u64,
    /// The path that it took, if it was peer memory.
    pub went: Option<String>,
    /// Of the bytes that were staged, those that a DMA engine copied, from 0 to 1.
    pub engine_part: Option<f64>,
    /// Throughput.
    pub bytes_per_second: f64,
    /// The median latency, in microseconds.
    pub p50_us: f64,
    /// The 99th percentile of latency, in microseconds.
    pub p99_us: f64,
    /// CPU seconds of the whole machine per GiB.
    pub machine_cpu_seconds_per_gib: f64,
}

/// The rates of the CPU with one width of instructions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RawRow {
    /// Bytes of one instruction.
    pub width: u64,
    /// Loads.
    pub load_bytes_per_second: f64,
    /// Stores.
    pub store_bytes_per_second: f64,
}

impl Saved {
    /// Makes the file of a report.
    ///
    /// # Errors
    /// If the machine does not say what it is.
    pub fn of(sysroot: &Sysroot, array: &Array, report: &BenchReport) -> Result<Self> {
        let raw = report.raw.iter().flatten().map(|row| RawRow {
            width: row.width as u64,
            load_bytes_per_second: row.load_bytes_per_second,
            store_bytes_per_second: row.store_bytes_per_second,
        });
        Ok(Self {
            kind: KIND.into(),
            version: VERSION,
            mdp2p: env!("CARGO_PKG_VERSION").into(),
            machine: Kinds::of(sysroot, array, report)?,
            results: rows(report)?,
            raw: raw.collect(),
        })
    }

    /// Writes the file.
    ///
    /// # Errors
    /// Names the file if it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(path, text).with_context(|| path.display().to_string())
    }

    /// Reads a file that somebody may have sent.
    ///
    /// # Errors
    /// Names the file, and says what is wrong with it.
    pub fn read(path: &Path) -> Result<Self> {
        let name = || shown(&path.to_string_lossy()).into_owned();
        let file = File::open(path).with_context(name)?;
        if !file.metadata().with_context(name)?.is_file() {
            bail!("{}: not a regular file", name());
        }
        let bytes = bounded(file).with_context(name)?;
        let saved: Self = serde_json::from_slice(&bytes).with_context(|| {
            format!(
                "{}: not a file of mdp2p bench --save, or not all of it",
                name()
            )
        })?;
        if saved.kind != KIND || saved.version != VERSION {
            let (kind, version) = (shown(&saved.kind), saved.version);
            bail!(
                "{}: it is version {version} of `{kind}`; version {VERSION} of `{KIND}` is wanted. \
                 Measure again with this mdp2p, or compare with the newer one",
                name()
            );
        }
        if let Some(wrong) = saved.rates().find(|rate| !rate.is_finite() || *rate < 0.0) {
            bail!(
                "{}: {wrong} is no rate; ask for the file as it was saved",
                name()
            );
        }
        Ok(saved)
    }

    fn rates(&self) -> impl Iterator<Item = f64> {
        let results = self
            .results
            .iter()
            .flat_map(|row| [row.bytes_per_second, row.p50_us]);
        let raw = self.raw.iter();
        let raw = raw.flat_map(|row| [row.load_bytes_per_second, row.store_bytes_per_second]);
        results.chain(raw)
    }

    /// Describes the machine in one line, without control characters.
    pub fn heading(&self) -> String {
        let it = &self.machine;
        let guest = it.virtual_machine.as_ref();
        let guest = guest.map_or_else(String::new, |it| format!(", virtual machine ({it})"));
        let members = it.members.len();
        let text = format!(
            "{} of {members} ({}), {}, {}, provider {} at {}{guest}",
            it.level, it.driver, it.kernel, it.processor, it.provider, it.distance
        );
        shown(&text).into_owned()
    }
}

impl Kinds {
    fn of(sysroot: &Sysroot, array: &Array, report: &BenchReport) -> Result<Self> {
        let devices = Devices::read(sysroot)?;
        let provider = devices.get(report.provider.address);
        let processor = sysroot.lines_if("proc/cpuinfo")?.unwrap_or_default();
        let mut lines = processor.lines();
        let processor = lines.find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let model = |name: &str| {
            let model = sysroot.read_if(format!("sys/class/block/{name}/device/model"));
            anyhow::Ok(model?.unwrap_or_default())
        };
        let members = array.members.iter().map(|member| model(&member.name));
        Ok(Self {
            kernel: release::running(sysroot).unwrap_or_default(),
            processor: processor.map_or("", |(_, name)| name.trim()).to_owned(),
            virtual_machine: report.virtual_machine.clone(),
            driver: word(&report.subject.driver)?,
            level: report.subject.level.clone(),
            chunk_bytes: array.chunk_bytes,
            members: members.collect::<Result<_>>()?,
            provider: provider.map_or_else(String::new, |provider| {
                format!("{:04x}:{:04x}", provider.vendor, provider.device)
            }),
            distance: report.provider.distance_range(),
        })
    }
}

/// Returns a row for each memory of each measurement.
fn rows(report: &BenchReport) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for result in &report.results {
        let staged = result.counted.filter(|counted| counted.staged_bytes > 0);
        let row = |memory: &str, figures: &Figures| {
            anyhow::Ok(Row {
                block_bytes: result.block_bytes as u64,
                operation: word(&result.operation)?,
                memory: memory.into(),
                depth: result.depth as u64,
                went: None,
                engine_part: None,
                bytes_per_second: figures.bytes_per_second,
                p50_us: figures.p50_us,
                p99_us: figures.p99_us,
                machine_cpu_seconds_per_gib: figures.machine_cpu_seconds_per_gib,
            })
        };
        rows.push(row("host", &result.host)?);
        rows.push(Row {
            went: Some(word(&result.path_taken)?),
            engine_part: staged.map(|it| it.engine_bytes as f64 / it.staged_bytes as f64),
            ..row("peer", &result.peer)?
        });
    }
    Ok(rows)
}

/// Returns the word for a value in JSON.
fn word(value: &impl Serialize) -> Result<String> {
    let value = serde_json::to_value(value)?;
    Ok(value.as_str().unwrap_or_default().to_owned())
}
