// SPDX-License-Identifier: GPL-2.0
//! Moves blocks for a while, and measures time, latencies and CPU.

use std::ops::AddAssign;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::memory::Buffer;
use crate::random::Random;
use crate::target::{Failure, Operation, Target};
use mdp2p_machine::sysroot::{Sysroot, garbage};

/// A histogram of latencies, each to within 1/64 of its value.
#[derive(Clone, Debug)]
pub struct Latencies {
    counts: Vec<u64>,
}

/// Up to 127 ns each nanosecond has a bucket; above that each 64th of every power of two.
const STEPS: u64 = 64;

impl Default for Latencies {
    fn default() -> Self {
        let last = Self::bucket(u64::MAX);
        Self {
            counts: vec![0; last + 1],
        }
    }
}

impl Latencies {
    fn bucket(nanoseconds: u64) -> usize {
        let shift = (nanoseconds / STEPS).checked_ilog2().map_or(0, u64::from);
        (shift * STEPS + (nanoseconds >> shift)) as usize
    }

    /// Returns the smallest latency of a bucket, in nanoseconds.
    fn bucket_start(bucket: usize) -> u64 {
        let bucket = bucket as u64;
        let shift = (bucket / STEPS).saturating_sub(1);
        (bucket - shift * STEPS) << shift
    }

    /// Counts one latency.
    pub fn count(&mut self, latency: Duration) {
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.counts[Self::bucket(nanoseconds)] += 1;
    }

    /// Returns the latency that a fraction `part` (0 to 1) of the blocks did not exceed.
    ///
    /// Returns `None` without blocks.
    pub fn percentile(&self, part: f64) -> Option<Duration> {
        let all: u64 = self.counts.iter().sum();
        let wanted = ((all as f64 * part).ceil() as u64).clamp(1, all.max(1));
        let mut seen = 0;
        let bucket = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        Some(Duration::from_nanos(Self::bucket_start(bucket)))
    }
}

impl AddAssign<&Latencies> for Latencies {
    fn add_assign(&mut self, other: &Latencies) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
    }
}

/// CPU time used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// By this process, in user space and in the kernel.
    pub process: Duration,
    /// By the whole machine: kernel workers, interrupts, other programs.
    pub machine: Duration,
}

impl Cpu {
    /// Reads the CPU time used so far.
    ///
    /// # Errors
    /// If `/proc/stat` cannot be read or understood.
    pub fn now(sysroot: &Sysroot) -> Result<Self> {
        let usage = getrusage(UsageWho::RUSAGE_SELF).context("getrusage")?;
        let text = sysroot.lines_if("proc/stat")?.unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        let machine = busy(line).ok_or_else(|| {
            garbage(
                &sysroot.path("proc/stat"),
                line,
                &"`cpu` and its times are wanted",
            )
        })?;
        Ok(Self {
            process: duration(usage.user_time()) + duration(usage.system_time()),
            machine,
        })
    }

    fn since(self, before: Self) -> Self {
        Self {
            process: self.process.saturating_sub(before.process),
            machine: self.machine.saturating_sub(before.machine),
        }
    }
}

impl AddAssign for Cpu {
    fn add_assign(&mut self, other: Self) {
        self.process += other.process;
        self.machine += other.machine;
    }
}

fn duration(time: TimeVal) -> Duration {
    let part = |part: i64| u64::try_from(part).unwrap_or(0);
    Duration::from_secs(part(time.tv_sec())) + Duration::from_micros(part(time.tv_usec()))
}

/// Returns the time that was not idle, from the first line of `/proc/stat` (see proc_stat(5)).
///
/// The line counts in 100ths of a second. All times count except `idle` and `iowait`; the times of
/// guests are part of `user`.
fn busy(line: &str) -> Option<Duration> {
    let mut words = line.split_whitespace();
    if words.next() != Some("cpu") {
        return None;
    }
    let times: Vec<u64> = words
        .take(8)
        .map(|word| word.parse().ok())
        .collect::<Option<_>>()?;
    let [user, nice, system, _idle, _iowait, rest @ ..] = &times[..] else {
        return None;
    };
    let ticks = [user, nice, system].into_iter().chain(rest).sum::<u64>();
    Some(Duration::from_millis(ticks.saturating_mul(10)))
}

/// What a measurement found.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Bytes moved.
    pub bytes: u64,
    /// Blocks moved.
    pub ios: u64,
    /// Time taken.
    pub time: Duration,
    /// CPU time used meanwhile.
    pub cpu: Cpu,
    /// The latency of each block.
    pub latencies: Latencies,
}

impl AddAssign<&Measured> for Measured {
    fn add_assign(&mut self, other: &Measured) {
        self.bytes += other.bytes;
        self.ios += other.ios;
        self.time += other.time;
        self.cpu += other.cpu;
        self.latencies += &other.latencies;
    }
}

/// Moves blocks of one size at random places of a target.
#[derive(Debug)]
pub struct Mover<'a> {
    /// The target.
    pub target: &'a Target,
    /// Whether blocks are read or written.
    pub operation: Operation,
    /// Bytes of a block.
    pub block: usize,
    /// The number of blocks in the target, at least 1.
    pub blocks: u64,
}

/// The buffer of a thread, and the places where it moves blocks.
#[derive(Debug)]
pub struct Lane {
    /// The buffer.
    pub buffer: Buffer,
    /// Chooses the places.
    pub random: Random,
}

impl Mover<'_> {
    /// Moves blocks for `time`, with one thread for each of `lanes`.
    ///
    /// # Errors
    /// If an I/O fails; all threads end then.
    pub fn run(&self, sysroot: &Sysroot, lanes: &mut [Lane], time: Duration) -> Result<Measured> {
        let before = Cpu::now(sysroot)?;
        let start = Instant::now();
        let end = start + time;
        let results: Vec<_> = thread::scope(|threads| {
            let threads: Vec<_> = lanes
                .iter_mut()
                .map(|lane| threads.spawn(move || self.lane(lane, end)))
                .collect();
            threads.into_iter().map(|thread| thread.join()).collect()
        });
        let mut all = Measured {
            time: start.elapsed(),
            cpu: Cpu::now(sysroot)?.since(before),
            ..Measured::default()
        };
        for result in results {
            let lane = result.map_err(|_| anyhow!("a thread has ended early"))?;
            all += &lane?;
        }
        Ok(all)
    }

    fn lane(&self, lane: &mut Lane, end: Instant) -> Result<Measured, Failure> {
        let mut measured = Measured::default();
        loop {
            let start = Instant::now();
            // Moves one block at least, however slow it is.
            if start >= end && measured.ios > 0 {
                return Ok(measured);
            }
            let offset = lane.random.below(self.blocks) * self.block as u64;
            match self.operation {
                Operation::Read => {
                    self.target
                        .read_unmarked(&mut lane.buffer, offset, self.block)?;
                }
                Operation::Write => self.target.write(&lane.buffer, offset, self.block)?,
            }
            measured.latencies.count(start.elapsed());
            measured.bytes += self.block as u64;
            measured.ios += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_latency_is_counted_to_within_a_64th(nanoseconds in any::<u64>(), shift in 0..64u32) {
            let nanoseconds = nanoseconds >> shift;
            let least = Latencies::bucket_start(Latencies::bucket(nanoseconds));
            prop_assert!(least <= nanoseconds, "{least} {nanoseconds}");
            prop_assert!(nanoseconds - least <= nanoseconds / 64, "{least} {nanoseconds}");
        }

        #[test]
        fn longer_ones_are_never_counted_before_shorter_ones(one in any::<u64>(), other in any::<u64>()) {
            let (less, more) = (one.min(other), one.max(other));
            prop_assert!(Latencies::bucket(less) <= Latencies::bucket(more));
        }
    }

    #[test]
    fn percentiles_are_those_of_what_was_counted() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile(0.5), None);
        for microseconds in 1..=100 {
            latencies.count(Duration::from_micros(microseconds));
        }
        for (part, expected) in [(0.0, 1), (0.5, 50), (0.99, 99), (1.0, 100)] {
            let found = latencies.percentile(part).expect("some").as_nanos() as f64;
            let expected = f64::from(expected) * 1000.0;
            assert!(
                (found - expected).abs() <= expected / 64.0,
                "{part}: {found}"
            );
        }
        let mut sum = latencies.clone();
        for _ in 0..200 {
            latencies.count(Duration::from_millis(1));
        }
        sum += &latencies;
        let median = sum.percentile(0.5).expect("some").as_micros();
        assert!((90..=101).contains(&median), "{median}");
    }

    #[test]
    fn busy_time_includes_neither_idle_nor_waiting_time() {
        let line = "cpu  100 20 300 99999 88888 4 5 6 7 8";
        assert_eq!(busy(line), Some(Duration::from_millis(4350)));
        for line in ["", "cpu0 1 2 3 4 5", "cpu 1 2", "cpu 1 2 x 4 5"] {
            assert_eq!(busy(line), None, "{line}");
        }
    }
}
