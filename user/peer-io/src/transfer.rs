// SPDX-License-Identifier: GPL-2.0
//! Moves data between targets and buffers: block by block, several at a time, with results in the
//! order of the offsets.

use std::ops::Range;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use anyhow::{Context, Result, bail};

use crate::memory::Buffer;
use crate::pattern::{Mismatch, Pattern};
use crate::target::{Failure, Target};

/// A range of a target, and how it is cut into I/Os.
#[derive(Clone, Debug)]
pub struct Extent {
    /// From the first byte to the byte after the last.
    pub range: Range<u64>,
    /// Bytes of one I/O; the last I/O may be shorter.
    pub block: usize,
}

impl Extent {
    /// Returns the offset and the length of each I/O.
    pub fn blocks(&self) -> impl Iterator<Item = (u64, usize)> + use<> {
        let (end, block) = (self.range.end, self.block);
        self.range.clone().step_by(block).map(move |offset| {
            let left = usize::try_from(end - offset).unwrap_or(usize::MAX);
            (offset, left.min(block))
        })
    }
}

/// What to do with each block of an extent.
#[derive(Debug)]
pub enum Work {
    /// Write the pattern. Its offset is the target's plus `shift`.
    Write {
        /// The target.
        target: Target,
        /// The pattern to write.
        pattern: Pattern,
        /// Pattern offset minus target offset.
        shift: i64,
    },
    /// Read, and pass the data on.
    Read {
        /// The target.
        target: Target,
    },
    /// Read, and compare with the pattern.
    Check {
        /// The target.
        target: Target,
        /// The expected pattern.
        pattern: Pattern,
        /// Pattern offset minus target offset.
        shift: i64,
    },
    /// Read from one target and write to another. The CPU never looks at the data.
    Copy {
        /// The target that is read.
        target: Target,
        /// The target that is written.
        to: Target,
        /// Offset in `to` minus offset in `target`.
        shift: i64,
    },
}

/// The result of one block.
#[derive(Debug, Default)]
struct Done {
    data: Option<Vec<u8>>,
    mismatches: Vec<Mismatch>,
}

impl Work {
    fn block(&self, buffer: &mut Buffer, offset: u64, length: usize) -> Result<Done, Failure> {
        let mut done = Done::default();
        match self {
            Work::Write {
                target,
                pattern,
                shift,
            } => {
                let mut data = vec![0; length];
                pattern.fill(offset.wrapping_add_signed(*shift), &mut data);
                buffer.put(&data);
                target.write(buffer, offset, length)?;
            }
            Work::Read { target } => {
                target.read(buffer, offset, length)?;
                done.data = Some(buffer.to_vec(length));
            }
            Work::Check {
                target,
                pattern,
                shift,
            } => {
                target.read(buffer, offset, length)?;
                let data = buffer.to_vec(length);
                let mut mismatches = pattern.mismatches(offset.wrapping_add_signed(*shift), &data);
                for mismatch in &mut mismatches {
                    mismatch.offset = mismatch.offset.wrapping_add_signed(-shift);
                }
                done.mismatches = mismatches;
            }
            Work::Copy { target, to, shift } => {
                target.read(buffer, offset, length)?;
                to.write(buffer, offset.wrapping_add_signed(*shift), length)?;
            }
        }
        Ok(done)
    }
}

/// How many failures and mismatches are kept in full.
const KEPT: usize = 10;

/// The result of a whole transfer.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Bytes of the I/Os that completed.
    pub bytes: u64,
    /// The number of I/Os that completed.
    pub ios: u64,
    /// The number of I/Os that failed.
    pub errors: u64,
    /// The first failures, each with its owner if there are several.
    pub failures: Vec<(Option<String>, Failure)>,
    /// The number of sectors that differ from what they should be.
    pub mismatches: u64,
    /// The first of those sectors, in the order in which they were found, each with its owner.
    pub differing: Vec<(Option<String>, Mismatch)>,
}

impl Outcome {
    /// Counts an I/O that completed.
    pub fn count(&mut self, length: usize) {
        self.bytes += length as u64;
        self.ios += 1;
    }

    /// Counts an I/O that failed.
    pub fn fail(&mut self, whose: Option<String>, failure: Failure) {
        self.errors += 1;
        if self.failures.len() < KEPT {
            self.failures.push((whose, failure));
        }
    }

    /// Counts sectors that differ.
    pub fn differ(&mut self, whose: Option<String>, mismatches: Vec<Mismatch>) {
        self.mismatches += mismatches.len() as u64;
        let room = KEPT.saturating_sub(self.differing.len());
        self.differing.extend(
            mismatches
                .into_iter()
                .take(room)
                .map(|m| (whose.clone(), m)),
        );
    }
}

/// Does `work` with each block of `extent`, with one thread for each buffer.
///
/// `data` gets the data that were read, in the order of the offsets. An error of `data` ends the
/// transfer.
pub fn run(
    work: &Work,
    extent: &Extent,
    mut buffers: Vec<Buffer>,
    mut data: impl FnMut(u64, &[u8]) -> Result<()>,
) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    each(
        extent,
        &mut buffers,
        |buffer, offset, length| work.block(buffer, offset, length),
        |offset, length, done| {
            match done {
                Ok(done) => {
                    outcome.count(length);
                    outcome.differ(None, done.mismatches);
                    if let Some(read) = done.data {
                        data(offset, &read)?;
                    }
                }
                Err(failure) => outcome.fail(None, failure),
            }
            Ok(())
        },
    )?;
    Ok(outcome)
}

/// Calls `work` with the offset and the length of each block of `extent`, with one thread for each
/// of `workers`.
///
/// `take` gets the results in the order of the offsets. An error of `take` ends the calls.
///
/// # Errors
/// The error of `take`; or if there are no workers, or a worker ends early.
pub fn each<W: Send, T: Send>(
    extent: &Extent,
    workers: &mut [W],
    work: impl Fn(&mut W, u64, usize) -> T + Sync,
    mut take: impl FnMut(u64, usize, T) -> Result<()>,
) -> Result<()> {
    let depth = workers.len();
    if depth == 0 {
        bail!("nobody is there to move anything");
    }
    let work = &work;
    thread::scope(|threads| {
        let results: Vec<Receiver<_>> = workers
            .iter_mut()
            .enumerate()
            .map(|(first, worker)| {
                let (send, receive) = sync_channel(1);
                let blocks = extent.blocks().skip(first).step_by(depth);
                threads.spawn(move || {
                    for (offset, length) in blocks {
                        if send.send(work(worker, offset, length)).is_err() {
                            break;
                        }
                    }
                });
                receive
            })
            .collect();
        for ((offset, length), from) in extent.blocks().zip(results.iter().cycle()) {
            let done = from.recv().context("a thread has ended early")?;
            take(offset, length, done)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_an_extent_and_the_last_is_what_is_left() {
        let extent = Extent {
            range: 512..5120,
            block: 2048,
        };
        let blocks: Vec<_> = extent.blocks().collect();
        assert_eq!(blocks, [(512, 2048), (2560, 2048), (4608, 512)]);
    }

    #[test]
    fn results_come_in_the_order_of_the_offsets_and_an_error_ends_it() {
        let extent = Extent {
            range: 0..100,
            block: 1,
        };
        let mut seen = Vec::new();
        let work = |worker: &mut u64, offset, _| {
            *worker += 1;
            thread::sleep(std::time::Duration::from_micros(100 * (offset % 3)));
            offset
        };
        let mut workers = [0; 3];
        each(&extent, &mut workers, work, |_, _, offset| {
            seen.push(offset);
            Ok(())
        })
        .expect("all of them");
        assert_eq!(seen, Vec::from_iter(0..100));
        assert_eq!(workers.iter().sum::<u64>(), 100);
        let error = each(&extent, &mut workers, work, |_, _, _| bail!("enough"));
        assert_eq!(error.expect_err("enough").to_string(), "enough");
        assert!(each(&extent, &mut [], work, |_, _, _| Ok(())).is_err());
    }

    #[test]
    fn only_the_first_are_kept_and_all_are_counted() {
        let mut outcome = Outcome::default();
        let zeros = vec![0; 512 * (KEPT + 5)];
        outcome.differ(None, Pattern::new(1).mismatches(0, &zeros));
        assert_eq!(outcome.mismatches as usize, KEPT + 5);
        assert_eq!(outcome.differing.len(), KEPT);
        assert_eq!(
            outcome.differing[KEPT - 1].1.offset as usize,
            512 * (KEPT - 1)
        );
    }
}
