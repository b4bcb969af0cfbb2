// SPDX-License-Identifier: GPL-2.0
//! Reads and writes of any size, at any place, through several memories at once. A model in host
//! memory says what each read must find.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use crate::model::Model;
use mdp2p_io::memory::{Buffer, Memory, PAGE};
use mdp2p_io::pattern::{Pattern, SECTOR};
use mdp2p_io::random::Random;
use mdp2p_io::target::{Failure, Target};
use mdp2p_io::transfer::{self, Extent, Outcome, Work};

/// A mix of reads and writes.
#[derive(Debug)]
pub struct Mix {
    /// A block device, or a file.
    pub path: PathBuf,
    /// The bytes of the device or file that are read and written.
    pub area: Range<u64>,
    /// The memories that the data come from and go to.
    pub memories: Vec<Memory>,
    /// The seed, which decides on every op, and on the data of writes.
    pub seed: u64,
    /// When the mix ends.
    pub end: End,
    /// The number of ops in flight.
    pub depth: usize,
    /// The bytes of the largest op.
    pub largest: usize,
}

/// When a mix ends.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// After so many ops.
    Ops(u64),
    /// After this time.
    After(Duration),
}

/// The result of a mix.
#[derive(Debug)]
pub struct Mixed {
    /// The outcome of the ops. Reads before and after them count only if they fail.
    pub outcome: Outcome,
    /// The ops of each memory.
    pub shares: Vec<Share>,
    /// The data that the area must hold now, unless an I/O failed.
    pub model: Model,
}

/// The I/O that went through one memory.
#[derive(Clone, Copy, Debug, Serialize)]
#[expect(missing_docs, reason = "their names say it all")]
pub struct Share {
    pub memory: Memory,
    pub reads: u64,
    pub read_bytes: u64,
    pub writes: u64,
    pub written_bytes: u64,
}

impl Share {
    fn none(memory: &Memory) -> Self {
        Self {
            memory: *memory,
            reads: 0,
            read_bytes: 0,
            writes: 0,
            written_bytes: 0,
        }
    }

    fn count(&mut self, op: &Op) {
        let (ops, bytes) = if op.write {
            (&mut self.writes, &mut self.written_bytes)
        } else {
            (&mut self.reads, &mut self.read_bytes)
        };
        *ops += 1;
        *bytes += op.length as u64;
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            memory,
            reads,
            read_bytes,
            writes,
            written_bytes,
        } = self;
        write!(
            f,
            "{memory} ({reads} reads of {read_bytes} bytes, {writes} writes of {written_bytes} bytes)"
        )
    }
}

/// One read or write.
#[derive(Clone, Debug)]
struct Op {
    number: u64,
    write: bool,
    /// The index of its memory.
    memory: usize,
    /// The offset of the data in the buffer, which begins at a page.
    within: usize,
    offset: u64,
    length: usize,
}

impl Op {
    /// Does the op, and returns its data.
    fn go(
        &self,
        target: &Target,
        buffer: &mut Buffer,
        pattern: Pattern,
    ) -> Result<Vec<u8>, Failure> {
        buffer.begin_at(self.within);
        if self.write {
            let mut data = vec![0; self.length];
            pattern.fill(self.offset, &mut data);
            buffer.put(&data);
            target.write(buffer, self.offset, self.length)?;
            Ok(data)
        } else {
            target.read(buffer, self.offset, self.length)?;
            Ok(buffer.to_vec(self.length))
        }
    }

    /// Returns whether it matters which of the two ops is first.
    fn disturbs(&self, other: &Op) -> bool {
        let end = |op: &Op| op.offset + op.length as u64;
        (self.write || other.write) && self.offset < end(other) && other.offset < end(self)
    }
}

/// Makes up one op after the other, from the seed alone.
#[derive(Debug)]
struct Plan {
    random: Random,
    next: u64,
    area: Range<u64>,
    memories: usize,
    largest: usize,
}

impl Plan {
    fn op(&mut self) -> Op {
        let length = self.sectors() * SECTOR as u64;
        let room = (self.area.end - self.area.start - length) / SECTOR as u64;
        let number = self.next;
        self.next += 1;
        Op {
            number,
            write: self.random.below(2) == 1,
            memory: self.random.below(self.memories as u64) as usize,
            within: self.random.below((PAGE / SECTOR) as u64) as usize * SECTOR,
            offset: self.area.start + self.random.below(room + 1) * SECTOR as u64,
            length: length as usize,
        }
    }

    /// Returns the number of sectors of an op. All numbers of binary digits are equally likely, so
    /// that small ops are as frequent as large ones.
    fn sectors(&mut self) -> u64 {
        let most = (self.largest / SECTOR) as u64;
        let least = 1 << self.random.below(u64::from(most.ilog2()) + 1);
        (least + self.random.below(least)).min(most)
    }
}

/// The state that the threads share.
#[derive(Debug)]
struct State {
    plan: Plan,
    under_way: Vec<Op>,
    mixed: Mixed,
}

impl State {
    /// Returns the next op, or `None` if the mix is over. The first thing that goes wrong ends the
    /// mix, because whatever comes later tells nothing new.
    fn take(&mut self, until: &Until) -> Option<Op> {
        let outcome = &self.mixed.outcome;
        if until.reached(self.plan.next) || outcome.errors + outcome.mismatches > 0 {
            return None;
        }
        let op = self.plan.op();
        self.under_way.push(op.clone());
        Some(op)
    }

    /// Returns whether an earlier op has to end first. No op overtakes an op that it disturbs, so
    /// that the seed alone decides what the area holds, whatever the depth.
    fn blocked(&self, op: &Op) -> bool {
        let earlier = |other: &&Op| other.number < op.number;
        self.under_way
            .iter()
            .filter(earlier)
            .any(|other| op.disturbs(other))
    }

    fn done(&mut self, op: &Op, result: Result<Vec<u8>, Failure>) {
        self.under_way.retain(|other| other.number != op.number);
        let Mixed {
            outcome,
            shares,
            model,
        } = &mut self.mixed;
        let share = &mut shares[op.memory];
        let whose = format!("op {} through {}", op.number, share.memory);
        match result {
            Err(failure) => outcome.fail(Some(whose), failure),
            Ok(data) => {
                outcome.count(op.length);
                share.count(op);
                if op.write {
                    model.put(op.offset, &data);
                } else {
                    compare(outcome, model, &whose, op.offset, &data);
                }
            }
        }
    }
}

fn compare(outcome: &mut Outcome, model: &Model, whose: &str, offset: u64, data: &[u8]) {
    if let Some(byte) = model.first_wrong(offset, data) {
        let whose = format!("{whose}, wrong from byte {byte} on");
        outcome.differ(Some(whose), model.mismatches(offset, data));
    }
}

/// [`End`], once the mix has begun.
#[derive(Debug)]
enum Until {
    Op(u64),
    Time(Instant),
}

impl Until {
    fn reached(&self, op: u64) -> bool {
        match self {
            Until::Op(end) => op >= *end,
            Until::Time(end) => Instant::now() >= *end,
        }
    }
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Is notified when an op has ended.
    ended: Condvar,
    until: Until,
}

const PANICKED: &str = "another thread has panicked";

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(PANICKED)
    }

    /// Returns the next op, when it may begin.
    fn next(&self) -> Option<Op> {
        let mut state = self.lock();
        let op = state.take(&self.until)?;
        let wait = |state: &mut State| state.blocked(&op);
        drop(self.ended.wait_while(state, wait).expect(PANICKED));
        Some(op)
    }

    fn done(&self, op: &Op, result: Result<Vec<u8>, Failure>) {
        self.lock().done(op, result);
        self.ended.notify_all();
    }
}

/// The bytes that are read at a time before and after the ops.
const BLOCK: usize = 128 * 1024;

impl Mix {
    /// Does the mix. `sysfs` is where sysfs is mounted.
    pub fn run(&self, sysfs: &Path) -> Result<Mixed> {
        let target = Target::both(&self.path)?;
        let buffers = self.buffers(sysfs)?;
        let first = self.begin()?;
        if first.outcome.errors > 0 {
            return Ok(first);
        }
        let mut mixed = self.ops(&target, buffers, first);
        if mixed.outcome.errors == 0 {
            self.finish(&mut mixed)?;
        }
        Ok(mixed)
    }

    /// Makes a buffer in every memory for each thread, so that it can do any op.
    fn buffers(&self, sysfs: &Path) -> Result<Vec<Vec<Buffer>>> {
        let one = |memory: &Memory| Buffer::new(*memory, self.largest + PAGE, sysfs);
        (0..self.depth)
            .map(|_| self.memories.iter().map(one).collect())
            .collect()
    }

    /// Reads the area into the first model.
    fn begin(&self) -> Result<Mixed> {
        let mut bytes = Vec::new();
        let mut outcome = self.read_all(|_, data| bytes.extend_from_slice(data))?;
        (outcome.bytes, outcome.ios) = (0, 0);
        Ok(Mixed {
            outcome,
            shares: self.memories.iter().map(Share::none).collect(),
            model: Model::new(self.area.start, bytes),
        })
    }

    fn ops(&self, target: &Target, buffers: Vec<Vec<Buffer>>, mixed: Mixed) -> Mixed {
        let shared = Shared {
            state: Mutex::new(State {
                plan: self.plan(),
                under_way: Vec::new(),
                mixed,
            }),
            ended: Condvar::new(),
            until: match self.end {
                End::Ops(ops) => Until::Op(ops),
                End::After(time) => Until::Time(Instant::now() + time),
            },
        };
        thread::scope(|threads| {
            for mut buffers in buffers {
                let shared = &shared;
                threads.spawn(move || {
                    while let Some(op) = shared.next() {
                        let buffer = &mut buffers[op.memory];
                        shared.done(&op, op.go(target, buffer, self.data(&op)));
                    }
                });
            }
        });
        shared.state.into_inner().expect(PANICKED).mixed
    }

    /// Compares the area with the model once more, through host memory.
    fn finish(&self, mixed: &mut Mixed) -> Result<()> {
        let Mixed { outcome, model, .. } = mixed;
        let last =
            self.read_all(|offset, data| compare(outcome, model, "at the end", offset, data))?;
        outcome.errors += last.errors;
        outcome.failures.extend(last.failures);
        Ok(())
    }

    fn read_all(&self, mut data: impl FnMut(u64, &[u8])) -> Result<Outcome> {
        let target = Target::source(&self.path)?;
        let extent = Extent {
            range: self.area.clone(),
            block: BLOCK,
        };
        let buffer = Buffer::new(Memory::Host, BLOCK, "".as_ref())?;
        transfer::run(&Work::Read { target }, &extent, vec![buffer], |at, read| {
            data(at, read);
            Ok(())
        })
    }

    fn plan(&self) -> Plan {
        Plan {
            random: Random::new(self.seed),
            next: 0,
            area: self.area.clone(),
            memories: self.memories.len(),
            largest: self.largest,
        }
    }

    /// Returns the data that an op writes. No other op writes them, and their seed tells the mix's
    /// seed and the op's number.
    fn data(&self, op: &Op) -> Pattern {
        Pattern::new(
            self.seed
                .wrapping_mul(1_000_000_000)
                .wrapping_add(op.number),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(number: u64, write: bool, sectors: Range<u64>) -> Op {
        Op {
            number,
            write,
            memory: 0,
            within: 0,
            offset: sectors.start * 512,
            length: ((sectors.end - sectors.start) * 512) as usize,
        }
    }

    fn plan(seed: u64, area: Range<u64>, largest: usize) -> Plan {
        Plan {
            random: Random::new(seed),
            next: 0,
            area,
            memories: 3,
            largest,
        }
    }

    #[test]
    fn ops_are_whole_sectors_of_the_area_of_all_sizes_and_kinds() {
        let area = 1536..1536 + 1000 * 512;
        let mut plan = plan(1, area.clone(), 600 * 512);
        let ops: Vec<Op> = (0..1000).map(|_| plan.op()).collect();
        for op in &ops {
            assert!(op.offset % 512 == 0 && op.length % 512 == 0, "{op:?}");
            assert!(area.start <= op.offset, "{op:?}");
            assert!(op.offset + op.length as u64 <= area.end, "{op:?}");
            assert!((512..=600 * 512).contains(&op.length), "{op:?}");
        }
        let some = |what: &dyn Fn(&Op) -> bool| ops.iter().filter(|op| what(op)).count() > 50;
        assert!(some(&|op| op.length == 512) && some(&|op| op.length >= 512 * 512));
        assert!(some(&|op| op.write) && some(&|op| !op.write));
        assert!((0..3).all(|memory| some(&|op| op.memory == memory)));
    }

    #[test]
    fn an_area_of_one_sector_has_room_for_one_op() {
        let op = plan(1, 512..1024, 512).op();
        assert_eq!((op.offset, op.length), (512, 512));
    }

    #[test]
    fn a_write_disturbs_what_it_overlaps_and_two_reads_do_not() {
        let write = op(0, true, 10..20);
        for (sectors, disturbed) in [
            (0..10, false),
            (0..11, true),
            (15..16, true),
            (20..30, false),
        ] {
            for kind in [true, false] {
                let other = op(1, kind, sectors.clone());
                assert_eq!(write.disturbs(&other), disturbed, "{other:?}");
                assert_eq!(other.disturbs(&write), disturbed, "{other:?}");
            }
        }
        assert!(!op(0, false, 0..9).disturbs(&op(1, false, 0..9)));
    }
}
