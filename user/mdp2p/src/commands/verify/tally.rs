// SPDX-License-Identifier: GPL-2.0
//! Adds up the I/Os of one operation through one provider.
//!
//! Tests: those below and tests/verify.rs.

use nix::errno::Errno;
use sha2::{Digest, Sha256};

use super::block::{Compared, Unread};
use super::report::{Data, Trial};
use crate::workload::path_taken::{Counted, Moved, PathTaken};
use mdp2p_io::pattern::Pattern;
use mdp2p_io::target::{Failure, Operation, Why};
use mdp2p_machine::md::counters::Counters;
use mdp2p_machine::pci::bdf::Bdf;

/// How many problems are described in full.
const DETAILS: usize = 3;

/// The sums of one operation so far.
#[derive(Default)]
pub struct Tally {
    moved: Moved,
    peer: Sha256,
    host: Sha256,
    wrong: u64,
    changed: u64,
    pub failed: u64,
    details: Vec<String>,
}

impl Tally {
    fn add_detail(&mut self, what: impl FnOnce() -> String) {
        if self.details.len() < DETAILS {
            self.details.push(what());
        }
    }

    fn add_failure(&mut self, failure: &Failure, through_peer: bool) {
        self.failed += 1;
        if through_peer && failure.why == Why::Errno(Errno::EREMOTEIO) {
            self.moved.refused += 1;
        }
        let memory = if through_peer { "peer" } else { "host" };
        self.add_detail(|| format!("{failure} (through {memory} memory)"));
    }

    /// Adds a write through peer memory.
    pub fn add_peer_io(&mut self, length: usize, done: Result<(), Failure>) {
        match done {
            Ok(()) => self.moved.bytes += length as u64,
            Err(failure) => self.add_failure(&failure, true),
        }
    }

    /// Adds a write through host memory, of which only failures count.
    pub fn add_host_io(&mut self, done: Result<(), Failure>) {
        if let Err(failure) = done {
            self.add_failure(&failure, false);
        }
    }

    /// Adds a block that was read through both memories.
    pub fn add_comparison(&mut self, length: usize, done: Result<Compared, Unread>) {
        let times = |rounds: u32| u64::from(rounds) * length as u64;
        let both = match done {
            Ok(both) => both,
            Err(unread) => {
                self.moved.bytes += times(unread.rounds);
                return self.add_failure(&unread.failure, unread.through_peer);
            }
        };
        self.moved.bytes += times(both.rounds);
        self.peer.update(&both.peer);
        self.host.update(&both.host);
        match both.verdict {
            Data::Wrong => self.wrong += 1,
            Data::Changed => self.changed += 1,
            Data::Right | Data::Failed | Data::NoMemory => {}
        }
    }

    /// Adds a block that was read back, and compares it with the pattern.
    pub fn add_read_back(
        &mut self,
        pattern: &Pattern,
        offset: u64,
        length: usize,
        done: Result<Vec<u8>, Failure>,
        through_peer: bool,
    ) {
        let data = match done {
            Ok(data) => data,
            Err(failure) => return self.add_failure(&failure, through_peer),
        };
        if through_peer {
            self.moved.bytes += length as u64;
        }
        let mut expected = vec![0; length];
        pattern.fill(offset, &mut expected);
        self.peer.update(&data);
        self.host.update(&expected);
        for mismatch in pattern.mismatches(offset, &data) {
            self.wrong += 1;
            self.add_detail(|| mismatch.to_string());
        }
    }

    fn verdict(&self) -> Data {
        match self {
            Self { wrong: 1.., .. } => Data::Wrong,
            Self { failed: 1.., .. } => Data::Failed,
            Self { changed: 1.., .. } => Data::Changed,
            _ => Data::Right,
        }
    }

    /// Returns the trial that these sums make. `counters` are those before and after.
    pub fn into_trial(
        self,
        provider: Bdf,
        operation: Operation,
        counters: Option<(Counters, Counters)>,
    ) -> Trial {
        let data = self.verdict();
        let counted = counters.map(|(before, after)| Counted::between(&before, &after, operation));
        let whole = self.failed == 0;
        let sum = |sum: Sha256| whole.then(|| hex(&sum.finalize()));
        Trial {
            provider,
            operation,
            bytes: self.moved.bytes,
            path_taken: PathTaken::of(&self.moved, counted.as_ref()),
            counted,
            data,
            sha256: sum(self.peer),
            expected_sha256: sum(self.host),
            wrong: self.wrong,
            failed: self.failed,
            details: self.details,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
pub mod tests {
    use std::path::Path;

    use super::super::block::{Buffers, compare};
    use super::*;
    use mdp2p_io::memory::{Buffer, Memory};
    use mdp2p_io::target::Target;
    use mdp2p_io::transfer::{self, Extent};

    fn failure(errno: Errno) -> Failure {
        let target = Path::new("/dev/md0");
        Failure::new("read", target, 0, 512, Why::Errno(errno))
    }

    /// Returns a trial of a read that counted as many direct bytes as staged bytes.
    pub fn row(tally: Tally) -> Trial {
        let provider = "0000:04:00.0".parse().expect("an address");
        let read = |read_direct_bytes, read_staged_bytes| Counters {
            read_direct_bytes,
            read_staged_bytes,
            ..Counters::default()
        };
        tally.into_trial(
            provider,
            Operation::Read,
            Some((read(100, 0), read(612, 512))),
        )
    }

    #[test]
    fn a_wrong_sector_is_described_and_makes_the_trial_wrong() {
        let pattern = Pattern::new(7);
        let mut data = vec![0; 1024];
        pattern.fill(4096, &mut data);
        let mut tally = Tally::default();
        tally.add_read_back(&pattern, 4096, 1024, Ok(data.clone()), true);
        assert_eq!(tally.verdict(), Data::Right);
        data[600] ^= 1;
        tally.add_read_back(&pattern, 4096, 1024, Ok(data), true);
        let row = row(tally);
        assert_eq!((row.data, row.wrong, row.bytes), (Data::Wrong, 1, 2048));
        assert!(
            row.details[0].starts_with("sector at 4608: byte 88"),
            "{:?}",
            row.details
        );
        assert!(row.sha256.is_some() && row.sha256 != row.expected_sha256);
    }

    #[test]
    fn refused_and_failed_ios_are_told_apart() {
        let mut tally = Tally::default();
        tally.add_peer_io(512, Err(failure(Errno::EREMOTEIO)));
        tally.add_peer_io(512, Err(failure(Errno::EIO)));
        tally.add_host_io(Err(failure(Errno::EREMOTEIO)));
        assert_eq!((tally.moved.refused, tally.failed), (1, 3));
        let row = row(tally);
        assert_eq!(
            (row.data, row.path_taken),
            (Data::Failed, PathTaken::Refused)
        );
        assert_eq!(row.sha256, None);
        assert!(
            row.details[0].ends_with("Remote I/O error (through peer memory)"),
            "{:?}",
            row.details
        );
    }

    #[test]
    fn through_the_same_memory_twice_data_are_right() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let mut data = vec![0; 150 * 512];
        Pattern::new(1).fill(0, &mut data);
        std::fs::write(file.path(), &data).expect("its content");
        let Ok(target) = Target::source(file.path()) else {
            return; // no O_DIRECT here
        };
        let buffer = || Buffer::new(Memory::Host, 65536, Path::new("/sys")).expect("a buffer");
        let pair = || Buffers {
            peer: buffer(),
            host: buffer(),
        };
        let mut tally = Tally::default();
        let extent = Extent {
            range: 0..150 * 512,
            block: 65536,
        };
        let work = |pair: &mut Buffers, offset, length| compare(&target, pair, offset, length);
        transfer::each(&extent, &mut [pair(), pair()], work, |_, length, done| {
            tally.add_comparison(length, done);
            Ok(())
        })
        .expect("moved");
        let row = row(tally);
        assert_eq!((row.data, row.bytes), (Data::Right, 150 * 512));
        let sum = hex(&Sha256::digest(&data));
        assert_eq!(
            (row.sha256.as_ref(), row.expected_sha256.as_ref()),
            (Some(&sum), Some(&sum))
        );
    }
}
