// SPDX-License-Identifier: GPL-2.0
//! A model of what an area must hold, byte by byte, if no seed tells it.

use std::ops::Range;

use mdp2p_io::pattern::{Mismatch, SECTOR, Sector};

/// The content of an area.
#[derive(Debug)]
pub struct Model {
    start: u64,
    bytes: Vec<u8>,
}

impl Model {
    /// Makes a model of an area that begins at `start` and holds `bytes`, in whole sectors.
    pub fn new(start: u64, bytes: Vec<u8>) -> Self {
        Self { start, bytes }
    }

    /// Returns the whole content.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the sector at `offset`.
    pub fn sector(&self, offset: u64) -> Sector {
        let mut sector = [0; SECTOR];
        sector.copy_from_slice(&self.bytes[self.place(offset, SECTOR)]);
        sector
    }

    /// Puts `data` at `offset`.
    pub fn put(&mut self, offset: u64, data: &[u8]) {
        let place = self.place(offset, data.len());
        self.bytes[place].copy_from_slice(data);
    }

    /// Returns the wrong sectors of `data`, which was found at `offset`.
    pub fn mismatches(&self, offset: u64, data: &[u8]) -> Vec<Mismatch> {
        (offset..)
            .step_by(SECTOR)
            .zip(data.chunks_exact(SECTOR))
            .filter_map(|(at, found)| Mismatch::of(&self.sector(at), found, at))
            .collect()
    }

    /// Returns the offset of the first wrong byte of `data`, which was found at `offset`.
    pub fn first_wrong(&self, offset: u64, data: &[u8]) -> Option<u64> {
        let expected = &self.bytes[self.place(offset, data.len())];
        let at = expected.iter().zip(data).position(|(a, b)| a != b)?;
        Some(offset + at as u64)
    }

    fn place(&self, offset: u64, length: usize) -> Range<usize> {
        let first = (offset - self.start) as usize;
        first..first + length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_holds_what_was_put_and_names_what_differs() {
        let mut model = Model::new(1024, vec![0; 4 * SECTOR]);
        model.put(1536, &[7; 2 * SECTOR]);
        assert_eq!(model.sector(1024), [0; SECTOR]);
        assert_eq!(model.sector(2048), [7; SECTOR]);
        let mut found = model.bytes().to_vec();
        assert_eq!(model.first_wrong(1024, &found), None);
        found[SECTOR + 3] = 8;
        assert_eq!(model.first_wrong(1024, &found), Some(1539));
        let differing = model.mismatches(1024, &found);
        assert_eq!(differing.len(), 1);
        assert_eq!(
            differing[0].to_string(),
            "sector at 1536: byte 3 should be 0x07, found 0x08"
        );
    }
}
