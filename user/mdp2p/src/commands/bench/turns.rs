// SPDX-License-Identifier: GPL-2.0
//! Lets both memories take turns, and measures each turn.
//!
//! Tests: those below and tests/bench.rs.

use std::time::Duration;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

use super::report::{Figures, Measurement, ratio};
use crate::ui;
use crate::workload::path_taken::{Counted, Moved, PathTaken};
use crate::workload::provider::Room;
use crate::workload::site::{Mode, OpenSite};
use mdp2p_io::measure::{Lane, Measured, Mover};
use mdp2p_io::memory::{Buffer, Memory};
use mdp2p_io::pattern::Pattern;
use mdp2p_io::random::Random;
use mdp2p_io::target::Operation;
use mdp2p_io::transfer::{self, Extent};
use mdp2p_machine::md::array::{self, Array};
use mdp2p_machine::sysroot::Sysroot;

/// The rough length of one turn.
const TURN: Duration = Duration::from_millis(250);

/// Returns the operations that are measured.
pub fn operations(mode: Mode) -> &'static [Operation] {
    match mode {
        Mode::ReadOnly => &[Operation::Read],
        Mode::WriteFile | Mode::Destructive => &[Operation::Read, Operation::Write],
    }
}

/// Splits `time` into turns of one memory: returns their number and the length of each.
///
/// The number is even, so that each memory comes first as often as second.
fn split(time: Duration) -> (u32, Duration) {
    let turns = time.div_duration_f64(TURN).ceil() as u32;
    let turns = turns.max(2).next_multiple_of(2);
    (turns, time / turns)
}

/// Returns a progress bar of turns, which only a terminal shows.
pub fn bar(rooms: &[Room], mode: Mode, time: Duration) -> ProgressBar {
    let each = u64::from(split(time).0) * 2;
    let rows = rooms.len() * operations(mode).len();
    let bar = ProgressBar::new(each * rows as u64);
    let style = ProgressStyle::with_template("{msg} {wide_bar} {eta} left");
    style.map_or(bar.clone(), |style| bar.with_style(style))
}

/// The parts of a measurement that are the same for all block sizes.
pub struct Turns<'a> {
    pub sysroot: &'a Sysroot,
    pub array: &'a Array,
    pub site: &'a OpenSite,
    pub memory: Memory,
    pub bytes: u64,
    pub time: Duration,
    pub bar: ProgressBar,
}

impl Turns<'_> {
    /// Writes all of a new file once, because what was never written is not read from the members.
    pub fn fill(&self) -> Result<()> {
        const BLOCK: usize = 1 << 20;
        self.bar.set_message("filling the file");
        let extent = Extent {
            range: 0..self.bytes,
            block: BLOCK,
        };
        let work = transfer::Work::Write {
            target: self.site.target()?,
            pattern: Pattern::new(0),
            shift: 0,
        };
        let buffers = (0..4).map(|_| Buffer::new(Memory::Host, BLOCK, &self.sysroot.path("sys")));
        let buffers = buffers.collect::<Result<Vec<_>>>()?;
        let outcome = transfer::run(&work, &extent, buffers, |_, _| Ok(()))?;
        match outcome.failures.into_iter().next() {
            Some((_, failure)) => Err(failure.into()),
            None => Ok(()),
        }
    }

    /// Measures an operation with blocks of one size.
    pub fn measure(&self, room: Room, operation: Operation) -> Result<Measurement> {
        let block = ui::bytes(room.block as u64);
        self.bar.set_message(format!("{block} {operation}"));
        let target = self.site.target()?;
        let mover = Mover {
            target: &target,
            operation,
            block: room.block,
            blocks: self.bytes / room.block as u64,
        };
        let mut lanes = [
            self.lanes(Memory::Host, room)?,
            self.lanes(self.memory, room)?,
        ];
        let mut measured = [Measured::default(), Measured::default()];
        let before = array::counters(self.sysroot, self.array)?;
        let (turns, time) = split(self.time);
        for turn in 0..turns {
            for which in order(turn) {
                measured[which] += &mover.run(self.sysroot, &mut lanes[which], time)?;
                self.bar.inc(1);
            }
        }
        let after = array::counters(self.sysroot, self.array)?;
        let [host, peer] = measured;
        let moved = Moved {
            bytes: peer.bytes,
            refused: 0,
        };
        let counted = before
            .zip(after)
            .map(|(before, after)| Counted::between(&before, &after, operation));
        let (host, peer) = (Figures::of(&host), Figures::of(&peer));
        Ok(Measurement {
            block_bytes: room.block,
            operation,
            depth: room.depth,
            ratio: ratio(peer.bytes_per_second, host.bytes_per_second),
            host,
            peer,
            path_taken: PathTaken::of(&moved, counted.as_ref()),
            counted,
        })
    }

    /// Returns a buffer with data for each thread, and the thread's random path through the target.
    ///
    /// The paths are the same in each run.
    fn lanes(&self, memory: Memory, room: Room) -> Result<Vec<Lane>> {
        let which = u64::from(memory != Memory::Host);
        let lane = |number: usize| {
            let mut buffer = Buffer::new(memory, room.block, &self.sysroot.path("sys"))?;
            let mut data = vec![0; room.block];
            Pattern::new(number as u64).fill(0, &mut data);
            buffer.put(&data);
            Ok(Lane {
                buffer,
                random: Random::new(number as u64 * 2 + which),
            })
        };
        (0..room.depth).map(lane).collect()
    }
}

/// Returns the order of host memory (0) and peer memory (1) in a turn.
///
/// The order alternates, so that a slow drift of the machine affects both memories alike.
fn order(turn: u32) -> [usize; 2] {
    match turn % 2 {
        0 => [0, 1],
        _ => [1, 0],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_take_turns_and_each_is_first_as_often() {
        for (seconds, expected) in [(0.1, 2), (0.6, 4), (1.0, 4), (3.0, 12)] {
            let time = Duration::from_secs_f64(seconds);
            let (number, each) = split(time);
            assert_eq!(number, expected, "{seconds}");
            let sum = each * number;
            assert!(time.abs_diff(sum) < Duration::from_micros(1), "{seconds}");
            let first: usize = (0..number).map(|turn| order(turn)[0]).sum();
            assert_eq!(first as u32, number / 2, "{seconds}");
            assert!((0..number).all(|turn| order(turn)[0] != order(turn)[1]));
        }
    }
}
