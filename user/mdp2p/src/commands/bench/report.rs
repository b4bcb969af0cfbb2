// SPDX-License-Identifier: GPL-2.0
//! What `mdp2p bench` has measured: what `--json` prints.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::workload::path_taken::{Counted, PathTaken};
use crate::workload::provider::Provider;
use crate::workload::site::Mode;
use crate::workload::subject::Subject;
use mdp2p_io::measure::Measured;
use mdp2p_io::target::Operation;

/// What `mdp2p bench` has measured, or would.
#[derive(Debug, Serialize)]
pub struct BenchReport {
    /// The array.
    #[serde(flatten)]
    pub subject: Subject,
    /// What was done to it.
    pub mode: Mode,
    /// The array or the file.
    pub path: PathBuf,
    /// Bytes of it that blocks are in.
    pub bytes: u64,
    /// Whether nothing was moved.
    pub dry_run: bool,
    /// Seconds for each size, operation and memory.
    pub seconds: f64,
    /// The virtual machine that this is, where the figures mean nothing; none on real hardware.
    pub virtual_machine: Option<String>,
    /// Whose memory.
    pub provider: Provider,
    /// What came of it.
    pub results: Vec<Measurement>,
    /// What else there is to say; sentences.
    pub notes: Vec<String>,
}

/// Both memories side by side.
#[derive(Clone, Debug, Serialize)]
pub struct Measurement {
    /// Bytes of a block.
    pub block_bytes: usize,
    /// What was done.
    pub operation: Operation,
    /// Blocks that were under way at a time.
    pub depth: usize,
    /// Through host memory.
    pub host: Figures,
    /// Through peer memory.
    pub peer: Figures,
    /// Throughput of peer memory by that of host memory.
    pub ratio: Option<f64>,
    /// Which way peer I/O went.
    pub went: PathTaken,
    /// What the array has counted; none if it does not count.
    pub counted: Option<Counted>,
}

/// What was measured with one memory.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Figures {
    /// Bytes.
    pub bytes: u64,
    /// Blocks.
    pub ios: u64,
    /// Seconds.
    pub seconds: f64,
    /// Throughput.
    pub bytes_per_second: f64,
    /// Latency that half of the blocks did not exceed, microseconds.
    pub p50_us: f64,
    /// And 99 of 100.
    pub p99_us: f64,
    /// CPU seconds of mdp2p for each GiB.
    pub cpu_seconds_per_gib: f64,
    /// CPU seconds of the whole machine for each GiB, whatever it was doing.
    pub machine_cpu_seconds_per_gib: f64,
}

pub fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

impl Figures {
    /// The figures of what was measured.
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
    /// What is to be known before the figures are believed.
    pub fn warning(&self) -> Option<String> {
        let vendor = self.virtual_machine.as_ref()?;
        Some(format!(
            "This is a virtual machine ({vendor}): the figures mean nothing: drives and peer \
             memory are emulated."
        ))
    }

    /// Array and provider in a line.
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
