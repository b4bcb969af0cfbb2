// SPDX-License-Identifier: GPL-2.0
//! Tells what an area may hold after writes that fail or are not flushed, and after power cuts.

use std::fmt;
use std::ops::Range;

use anyhow::{Result, bail, ensure};
use mdp2p_io::pattern::{Mismatch, Pattern, SECTOR};

/// The writes that may have left a sector as it is, a bit for each.
type Writes = u8;

/// A sector that may hold anything.
const ANY: Writes = Writes::MAX;

/// The writes whose data each sector of an area may hold. Write 0 comes before all others.
#[derive(Debug)]
pub struct History {
    /// The data that a read may return.
    now: Vec<Writes>,
    /// The data that may be left if the power is cut.
    kept: Vec<Writes>,
    /// The number of writes so far.
    count: u32,
}

impl History {
    /// Begins with `length` bytes, which hold write 0 for good.
    pub fn new(length: usize) -> Self {
        let first = vec![1; length / SECTOR];
        Self {
            now: first.clone(),
            kept: first,
            count: 1,
        }
    }

    /// Returns the number of the next write.
    pub fn next_write(&mut self) -> u32 {
        assert!(
            self.count < ANY.ilog2(),
            "a write for each bit but the last"
        );
        self.count += 1;
        self.count - 1
    }

    /// Returns the data of a write. No two writes write equal sectors.
    pub fn data(write: u32, range: &Range<usize>) -> Vec<u8> {
        let mut data = vec![0; range.len()];
        Pattern::new(u64::from(write) + 1).fill(range.start as u64, &mut data);
        data
    }

    /// Notes that a write succeeded.
    pub fn written(&mut self, write: u32, range: &Range<usize>) {
        for sector in sectors(range) {
            self.now[sector] = 1 << write;
            self.kept[sector] |= 1 << write;
        }
    }

    /// Notes that a write succeeded, and is on the medium.
    pub fn synced(&mut self, write: u32, range: &Range<usize>) {
        self.written(write, range);
        for sector in sectors(range) {
            self.kept[sector] = 1 << write;
        }
    }

    /// Notes that a write failed. It went to some members or none, so that each sector is old or
    /// new.
    pub fn failed(&mut self, write: u32, range: &Range<usize>) {
        for sector in sectors(range) {
            self.now[sector] |= 1 << write;
            self.kept[sector] |= 1 << write;
        }
    }

    /// Notes that a write failed after other data than its own were copied.
    pub fn garbled(&mut self, range: &Range<usize>) {
        for sector in sectors(range) {
            self.now[sector] = ANY;
            self.kept[sector] = ANY;
        }
    }

    /// Notes that a flush succeeded.
    pub fn flushed(&mut self) {
        self.kept.clone_from(&self.now);
    }

    /// Notes that the power was cut.
    pub fn cut(&mut self) {
        self.now.clone_from(&self.kept);
    }

    /// Notes that the power was cut while parity stood for a missing member. A sector may hold
    /// anything if its stripe, of this length, has a sector that may be old or new.
    pub fn cut_without_member(&mut self, stripe: usize) {
        for sectors in self.kept.chunks_mut(stripe / SECTOR) {
            if sectors.iter().any(|writes| writes.count_ones() > 1) {
                sectors.fill(ANY);
            }
        }
        self.cut();
    }

    /// Compares the whole area with what was found.
    pub fn compare(&self, found: &[u8]) -> Result<()> {
        ensure!(found.len() == self.now.len() * SECTOR, "not the whole area");
        for (sector, (found, writes)) in found.chunks(SECTOR).zip(&self.now).enumerate() {
            let offset = (sector * SECTOR) as u64;
            if *writes != ANY && !self.is_one_of(*writes, found, offset) {
                self.complain(*writes, found, offset)?;
            }
        }
        Ok(())
    }

    fn is_one_of(&self, writes: Writes, found: &[u8], offset: u64) -> bool {
        let may_be = |write: &u32| writes & 1 << write != 0;
        (0..self.count)
            .filter(may_be)
            .any(|write| found == Pattern::new(u64::from(write) + 1).sector(offset))
    }

    fn complain(&self, writes: Writes, found: &[u8], offset: u64) -> Result<()> {
        let latest = writes.ilog2();
        let expected = Pattern::new(u64::from(latest) + 1).sector(offset);
        match Mismatch::of(&expected, found, offset) {
            Some(mismatch) => bail!("{}: {mismatch}", Expected(writes)),
            None => Ok(()),
        }
    }
}

/// The writes that a sector may hold, in words.
struct Expected(Writes);

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let writes: Vec<String> = (0..Writes::BITS)
            .filter(|write| self.0 & 1 << write != 0)
            .map(|write| format!("{}", write + 1))
            .collect();
        write!(f, "may hold seed {}", writes.join(" or "))
    }
}

fn sectors(range: &Range<usize>) -> Range<usize> {
    range.start / SECTOR..range.end / SECTOR
}

#[cfg(test)]
mod tests {
    use super::*;

    const AREA: Range<usize> = 0..8 * SECTOR;
    const PART: Range<usize> = SECTOR..3 * SECTOR;

    /// Returns the area with this write in the part, and write 0 around it.
    fn with(write: u32) -> Vec<u8> {
        let mut data = History::data(0, &AREA);
        data[PART].copy_from_slice(&History::data(write, &PART));
        data
    }

    fn holds(history: &History, data: &[u8]) -> bool {
        history.compare(data).is_ok()
    }

    #[test]
    fn what_was_written_is_there_and_only_where_it_was_written() {
        let mut history = History::new(AREA.len());
        let write = history.next_write();
        history.written(write, &PART);
        assert!(holds(&history, &with(write)));
        assert!(!holds(&history, &with(0)));
        assert!(!holds(&history, &History::data(write, &AREA)));
    }

    #[test]
    fn what_failed_is_old_or_new_by_sectors_and_nothing_else() {
        let mut history = History::new(AREA.len());
        let write = history.next_write();
        history.failed(write, &PART);
        let mut half = with(write);
        half[SECTOR..2 * SECTOR].copy_from_slice(&History::data(0, &(SECTOR..2 * SECTOR)));
        assert!(holds(&history, &half));
        half[2 * SECTOR + 9] ^= 1;
        let wrong = history.compare(&half).err().map(|error| error.to_string());
        let wrong = wrong.unwrap_or_default();
        assert!(
            wrong.starts_with("may hold seed 1 or 2: sector at 1024"),
            "{wrong}"
        );
    }

    #[test]
    fn a_cut_loses_what_was_not_flushed_and_no_more() {
        let mut history = History::new(AREA.len());
        let first = history.next_write();
        history.written(first, &PART);
        history.flushed();
        let second = history.next_write();
        history.written(second, &PART);
        assert!(!holds(&history, &with(first)));
        history.cut();
        assert!(holds(&history, &with(first)));
        assert!(holds(&history, &with(second)));
        assert!(!holds(&history, &with(0)));
    }

    #[test]
    fn a_cut_loses_nothing_that_was_written_to_the_medium() {
        let mut history = History::new(AREA.len());
        let write = history.next_write();
        history.synced(write, &PART);
        history.cut();
        assert!(holds(&history, &with(write)));
        assert!(!holds(&history, &with(0)));
    }

    #[test]
    fn without_a_member_a_cut_may_spoil_stripes_that_were_written_to() {
        let mut history = History::new(AREA.len());
        let write = history.next_write();
        history.written(write, &PART);
        history.cut_without_member(4 * SECTOR);
        let mut data = History::data(0, &AREA);
        data[..4 * SECTOR].fill(7);
        assert!(holds(&history, &data));
        data[4 * SECTOR] ^= 1;
        assert!(!holds(&history, &data));
    }
}
