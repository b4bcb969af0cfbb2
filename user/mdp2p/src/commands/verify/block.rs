// SPDX-License-Identifier: GPL-2.0
//! Reads one block through peer memory and through host memory, and compares the two copies.
//!
//! Tests: those below and tests/verify.rs.

use super::report::Data;
use mdp2p_io::memory::Buffer;
use mdp2p_io::target::{Failure, Target};

/// How often a block is read again if its two copies differ.
const ROUNDS: u32 = 5;

/// The buffers of one thread.
pub struct Buffers {
    pub peer: Buffer,
    pub host: Buffer,
}

/// A block that was read through both memories.
pub struct Compared {
    pub peer: Vec<u8>,
    pub host: Vec<u8>,
    /// How many times the block was read.
    pub rounds: u32,
    pub verdict: Data,
}

/// A block that could not be read: why, through which memory, and how many reads through
/// peer memory succeeded before.
pub struct Unread {
    pub failure: Failure,
    pub through_peer: bool,
    pub rounds: u32,
}

/// Reads a block through both memories, and reads it again if the copies differ.
///
/// Copies may differ because somebody else writes to the block. But if host memory saw the same
/// data twice, peer memory saw something wrong.
pub fn compare(
    target: &Target,
    pair: &mut Buffers,
    offset: u64,
    length: usize,
) -> Result<Compared, Unread> {
    let mut last: Option<Vec<u8>> = None;
    let mut rounds = 0;
    loop {
        let unread = |through_peer, rounds| {
            move |failure| Unread {
                failure,
                through_peer,
                rounds,
            }
        };
        let read = target.read(&mut pair.peer, offset, length);
        read.map_err(unread(true, rounds))?;
        rounds += 1;
        let read = target.read(&mut pair.host, offset, length);
        read.map_err(unread(false, rounds))?;
        let (peer, host) = (pair.peer.to_vec(length), pair.host.to_vec(length));
        if let Some(verdict) = verdict(&peer, &host, last.as_deref(), rounds) {
            return Ok(Compared {
                peer,
                host,
                rounds,
                verdict,
            });
        }
        last = Some(host);
    }
}

/// Judges two copies of a block. `last` is what host memory saw in the round before.
///
/// Returns `None` if another round is needed.
fn verdict(peer: &[u8], host: &[u8], last: Option<&[u8]>, rounds: u32) -> Option<Data> {
    match last {
        _ if peer == host => Some(Data::Right),
        Some(last) if last == host => Some(Data::Wrong),
        _ if rounds >= ROUNDS => Some(Data::Changed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_that_differ_are_wrong_only_if_the_data_stayed_the_same() {
        let (a, b, c) = (&[1; 8][..], &[2; 8][..], &[3; 8][..]);
        assert_eq!(verdict(a, a, None, 1), Some(Data::Right));
        assert_eq!(verdict(a, b, None, 1), None);
        assert_eq!(verdict(a, b, Some(b), 2), Some(Data::Wrong));
        assert_eq!(verdict(a, b, Some(c), 2), None);
        assert_eq!(verdict(b, b, Some(c), 2), Some(Data::Right));
        assert_eq!(verdict(a, b, Some(c), ROUNDS), Some(Data::Changed));
    }
}
