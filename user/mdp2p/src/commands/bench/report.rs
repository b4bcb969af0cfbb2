// SPDX-License-Identifier: GPL-2.0
//! The report of `mdp2p bench`, as `--json` prints it.
//!
//! Tests: those below and tests/bench.rs, which checks it against schema/bench.json.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::raw::Raw;
use crate::workload::path_taken::{Counted, PathTaken};
use crate::workload::provider::Provider;
use crate::workload::site::Mode;
use crate::workload::subject::Subject;
use mdp2p_io::measure::Measured;
use mdp2p_io::target::Operation;

/// What `mdp2p bench` measured or, in a dry run, would measure.
#[derive(Debug, Serialize)]
pub struct BenchReport {
    /// The array.
    #[serde(flatten)]
    pub subject: Subject,
    /// How the array is used.
    pub mode: Mode,
    /// The node of the array, or the file.
    pub path: PathBuf,
    /// Bytes within which the blocks lie.
    pub bytes: u64,
    /// Whether it was a dry run, in which nothing is moved.
    pub dry_run: bool,
    /// Seconds for each size, operation and memory.
    pub seconds: f64,
    /// The vendor of this virtual machine, in which figures mean nothing; `None` on real hardware.
    pub virtual_machine: Option<String>,
    /// The provider.
    pub provider: Provider,
    /// What the CPU does with the provider's memory itself; `None` without `--staging`.
    pub raw: Option<Vec<Raw>>,
    /// The measurements.
    pub results: Vec<Measurement>,
    /// Notes, as sentences.
    pub notes: Vec<String>,
}

/// One operation with blocks of one size, through both memories.
#[derive(Clone, Debug, Serialize)]
pub struct Measurement {
    /// Bytes of a block.
    pub block_bytes: usize,
    /// The operation.
    pub operation: Operation,
    /// Blocks in flight.
    pub depth: usize,
    /// Host memory's figures.
    pub host: Figures,
    /// Peer memory's figures.
    pub peer: Figures,
    /// Throughput of peer memory divided by that of host memory.
    pub ratio: Option<f64>,
    /// The path that peer I/O took.
    #[serde(rename = "went")]
    pub path_taken: PathTaken,
    /// How far the counters of the array grew; `None` if it has no counters.
    pub counted: Option<Counted>,
}

/// The figures of one memory.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Figures {
    /// Bytes moved.
    pub bytes: u64,
    /// Blocks moved.
    pub ios: u64,
    /// Time taken, in seconds.
    pub seconds: f64,
    /// Throughput.
    pub bytes_per_second: f64,
    /// The median latency, in microseconds.
    pub p50_us: f64,
    /// The 99th percentile of latency, in microseconds.
    pub p99_us: f64,
    /// CPU seconds of mdp2p per GiB.
    pub cpu_seconds_per_gib: f64,
    /// CPU seconds of the whole machine per GiB, other load included.
    pub machine_cpu_seconds_per_gib: f64,
}

/// Divides, or returns `None` if `whole` is 0.
pub fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

impl Figures {
    /// Computes the figures of a measurement.
    pub fn of(measured: &Measured) -> Self {
        let seconds = measured.time.as_secs_f64();
        let gib = measured.bytes as f64 / f64::from(1 << 30);
        let latency = |part| {
            let latency = measured.latencies.percentile(part).unwrap_or_default();
            latency.as_secs_f64() * 1e6
        };
        let by = |part: Duration| ratio(part.as_secs_f64(), gib).unwrap_or(0.0);
        Self {
            bytes: measured.bytes,
            ios: measured.ios,
            seconds,
            bytes_per_second: ratio(measured.bytes as f64, seconds).unwrap_or(0.0),
            p50_us: latency(0.5),
            p99_us: latency(0.99),
            cpu_seconds_per_gib: by(measured.cpu.process),
            machine_cpu_seconds_per_gib: by(measured.cpu.machine),
        }
    }
}

impl BenchReport {
    /// Returns a warning for readers of the figures.
    pub fn warning(&self) -> Option<String> {
        let vendor = self.virtual_machine.as_ref()?;
        Some(format!(
            "This is a virtual machine ({vendor}): the figures mean nothing, because drives and \
             peer memory are emulated."
        ))
    }

    /// Describes the array and the provider in one line.
    pub fn heading(&self) -> String {
        let (provider, distance) = (self.provider.address, self.provider.distance_range());
        let array = self.subject.heading();
        format!("{array}; peer memory of {provider}, distance {distance}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_what_was_measured() {
        let mut measured = Measured {
            bytes: 2 << 30,
            ios: 2048,
            time: Duration::from_secs(4),
            ..Measured::default()
        };
        measured.cpu.process = Duration::from_secs(1);
        measured.cpu.machine = Duration::from_secs(3);
        measured.latencies.count(Duration::from_micros(100));
        let figures = Figures::of(&measured);
        assert_eq!(figures.bytes_per_second, f64::from(1 << 29));
        assert_eq!(figures.cpu_seconds_per_gib, 0.5);
        assert_eq!(figures.machine_cpu_seconds_per_gib, 1.5);
        assert!((figures.p99_us - 100.0).abs() < 2.0, "{}", figures.p99_us);
        let nothing = Figures::of(&Measured::default());
        assert_eq!(
            (nothing.bytes_per_second, nothing.cpu_seconds_per_gib),
            (0.0, 0.0)
        );
    }
}
