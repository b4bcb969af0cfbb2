// SPDX-License-Identifier: GPL-2.0
//! Moves data through each provider and through host memory, and tallies what happens.
//!
//! Tests: tests/verify.rs.

use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use nix::errno::Errno;

use super::block::{Buffers, compare};
use super::report::Trial;
use super::tally::Tally;
use crate::workload::file;
use crate::workload::provider::{Provider, Room};
use crate::workload::site::{Mode, OpenSite};
use mdp2p_io::memory::{Buffer, Memory};
use mdp2p_io::pattern::Pattern;
use mdp2p_io::random::scramble;
use mdp2p_io::target::{Failure, Operation, Target};
use mdp2p_io::transfer::{self, Extent};
use mdp2p_machine::md::array::{self, Array};
use mdp2p_machine::sysroot::Sysroot;

/// Returns how often each byte is moved for a provider.
///
/// A read through both memories at once counts as one move. Two writes, each read back, are four.
fn steps(mode: Mode) -> u64 {
    match mode {
        Mode::ReadOnly => 1,
        Mode::WriteFile | Mode::Destructive => 4,
    }
}

/// Returns a progress bar, which only a terminal shows. `bytes` counts each byte once for each
/// provider.
pub fn bar(bytes: u64, mode: Mode) -> ProgressBar {
    let bar = ProgressBar::new(bytes * steps(mode));
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {bytes} of {total_bytes}") {
        bar.set_style(style);
    }
    bar
}

/// The parts of a comparison that are the same for all providers.
pub struct Comparison<'a> {
    pub sysroot: &'a Sysroot,
    pub array: &'a Array,
    pub site: &'a OpenSite,
    pub pieces: &'a [Range<u64>],
    pub bar: ProgressBar,
}

/// Chooses one of the two buffers.
type Pick = fn(&mut Buffers) -> &mut Buffer;

impl Comparison<'_> {
    /// Moves the data through a provider's memory, and returns a trial for each operation.
    pub fn try_provider(&self, provider: &Provider, room: Room, mode: Mode) -> Result<Vec<Trial>> {
        self.bar.set_message(provider.address.to_string());
        let memory = Memory::Peer(provider.address);
        let mut buffers = match buffers(memory, room, self.sysroot) {
            Ok(buffers) => buffers,
            // Another program was faster and took the last memory.
            Err(error) if error.root_cause().downcast_ref() == Some(&Errno::ENOMEM) => {
                return Ok(Trial::untried(
                    provider.address,
                    mode,
                    &format!("{error:#}"),
                ));
            }
            Err(error) => return Err(file::with_remedy(error)),
        };
        let target = self.site.target()?;
        let row = |operation, work: &mut dyn FnMut(&mut Tally) -> Result<()>| {
            let before = array::counters(self.sysroot, self.array)?;
            let mut tally = Tally::default();
            work(&mut tally)?;
            let after = array::counters(self.sysroot, self.array)?;
            anyhow::Ok(tally.into_trial(provider.address, operation, before.zip(after)))
        };
        if mode == Mode::ReadOnly {
            let read = row(Operation::Read, &mut |tally| {
                self.each_block(
                    room,
                    &mut buffers,
                    |pair, offset, length| compare(&target, pair, offset, length),
                    |_, length, done| tally.add_comparison(length, done),
                )
            })?;
            return Ok(vec![read]);
        }
        let peer: Pick = |pair| &mut pair.peer;
        let host: Pick = |pair| &mut pair.host;
        let write = row(Operation::Write, &mut |tally| {
            let pattern = Pattern::new(fresh_seed());
            self.write(
                room,
                &mut buffers,
                &target,
                (peer, pattern),
                |length, done| tally.add_peer_io(length, done),
            )?;
            self.read_back(room, &mut buffers, &target, (host, pattern), tally, false)
        })?;
        let read = row(Operation::Read, &mut |tally| {
            let pattern = Pattern::new(fresh_seed());
            self.write(room, &mut buffers, &target, (host, pattern), |_, done| {
                tally.add_host_io(done)
            })?;
            self.read_back(room, &mut buffers, &target, (peer, pattern), tally, true)
        })?;
        Ok(vec![write, read])
    }

    /// Calls `work` for each block of all pieces, and `take` with each result.
    fn each_block<T: Send>(
        &self,
        room: Room,
        buffers: &mut [Buffers],
        work: impl Fn(&mut Buffers, u64, usize) -> T + Sync,
        mut take: impl FnMut(u64, usize, T),
    ) -> Result<()> {
        for piece in self.pieces {
            let extent = Extent {
                range: piece.clone(),
                block: room.block,
            };
            transfer::each(&extent, buffers, &work, |offset, length, done| {
                take(offset, length, done);
                self.bar.inc(length as u64);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Writes the pattern to all pieces.
    fn write(
        &self,
        room: Room,
        buffers: &mut [Buffers],
        target: &Target,
        (pick, pattern): (Pick, Pattern),
        mut take: impl FnMut(usize, Result<(), Failure>),
    ) -> Result<()> {
        let work = |pair: &mut Buffers, offset, length| {
            let mut data = vec![0; length];
            pattern.fill(offset, &mut data);
            pick(pair).put(&data);
            target.write(pick(pair), offset, length)
        };
        self.each_block(room, buffers, work, |_, length, done| take(length, done))
    }

    /// Reads back what was written, if all of it was written.
    fn read_back(
        &self,
        room: Room,
        buffers: &mut [Buffers],
        target: &Target,
        (pick, pattern): (Pick, Pattern),
        tally: &mut Tally,
        through_peer: bool,
    ) -> Result<()> {
        if tally.failed > 0 {
            return Ok(());
        }
        let work = |pair: &mut Buffers, offset, length| {
            target.read(pick(pair), offset, length)?;
            Ok(pick(pair).to_vec(length))
        };
        self.each_block(room, buffers, work, |offset, length, done| {
            tally.add_read_back(&pattern, offset, length, done, through_peer);
        })
    }
}

/// Allocates the buffers of all threads.
fn buffers(memory: Memory, room: Room, sysroot: &Sysroot) -> Result<Vec<Buffers>> {
    let sysfs = sysroot.path("sys");
    let pair = |_| {
        Ok(Buffers {
            peer: Buffer::new(memory, room.block, &sysfs)?,
            host: Buffer::new(Memory::Host, room.block, &sysfs)?,
        })
    };
    (0..room.depth).map(pair).collect()
}

/// Returns a seed that no earlier run used, because data left by such a run would pass for ours.
fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanoseconds = now.map_or(0, |now| now.as_nanos() as u64);
    scramble(nanoseconds ^ u64::from(std::process::id()) << 40)
}
