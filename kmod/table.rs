// SPDX-License-Identifier: GPL-2.0

//! Who reaches whose memory: one table for each array.

use kernel::{
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc,
    },
};

use crate::{
    decide::{
        pause::Pause,
        reach::{self, Row, SLOTS},
    },
    provider::Provider,
};

/// The ways between one provider and each member. A way is left alone for a while
/// if direct I/O failed and only its repetition worked, through host memory.
pub(crate) struct Ways {
    /// `false` if no slot has a pause. If a pause that begins just now is missed,
    /// the way is tried again, and found out again.
    some: Atomic<bool>,
    /// A [`Pause`] for each slot.
    pauses: [Atomic<u64>; SLOTS],
}

impl Ways {
    fn new() -> Self {
        Self {
            some: Atomic::new(false),
            pauses: [const { Atomic::new(0) }; SLOTS],
        }
    }

    /// Returns the bits of the slots whose pause is not over.
    pub(crate) fn left_alone(&self, now: impl FnOnce() -> u64) -> u64 {
        if !self.some.load(Relaxed) {
            return 0;
        }
        let (now, mut none, mut waits) = (now(), true, 0);
        for (slot, pause) in self.pauses.iter().enumerate() {
            let pause = Pause::from_bits(pause.load(Relaxed));
            none &= pause == Pause::NONE;
            waits |= u64::from(!pause.is_over(now)) << slot;
        }
        if none {
            self.some.store(false, Relaxed);
        }
        waits
    }

    /// Direct I/O with the member in `slot` has failed. Tells whether a pause
    /// begins.
    pub(crate) fn failed(&self, slot: usize, now: u64) -> bool {
        let Some(bits) = self.pauses.get(slot) else {
            return false;
        };
        let Some(pause) = Pause::from_bits(bits.load(Relaxed)).failed(now) else {
            return false;
        };
        bits.store(pause.to_bits(), Relaxed);
        self.some.store(true, Relaxed);
        true
    }

    /// Direct I/O with the member in `slot` has worked.
    pub(crate) fn worked(&self, slot: usize, now: impl FnOnce() -> u64) {
        if !self.some.load(Relaxed) {
            return;
        }
        let Some(bits) = self.pauses.get(slot) else {
            return;
        };
        if let Some(pause) = Pause::from_bits(bits.load(Relaxed)).worked(now()) {
            bits.store(pause.to_bits(), Relaxed);
        }
    }
}

/// The providers, and who reaches their memory.
pub(crate) struct Table {
    /// One for each window of each provider, sorted.
    pub(crate) rows: KVec<Row>,
    /// The providers that the rows name by their places here.
    pub(crate) providers: KVec<Arc<Provider>>,
    /// One for each provider.
    pub(crate) ways: KVec<Ways>,
}

impl Table {
    /// Makes a table in which no way is left alone.
    pub(crate) fn new(mut rows: KVec<Row>, providers: KVec<Arc<Provider>>) -> Result<KBox<Self>> {
        let mut ways = KVec::with_capacity(providers.len(), GFP_KERNEL)?;
        for _ in &providers {
            ways.push(Ways::new(), GFP_KERNEL)?;
        }
        reach::sort(&mut rows);
        let table = Self {
            rows,
            providers,
            ways,
        };
        Ok(KBox::new(table, GFP_KERNEL)?)
    }

    /// Tells whether two tables are equal. `None` equals nothing.
    pub(crate) fn same(one: Option<&Table>, other: Option<&Table>) -> bool {
        let (Some(one), Some(other)) = (one, other) else {
            return false;
        };
        one.rows[..] == other.rows[..]
            && one.providers.len() == other.providers.len()
            && one
                .providers
                .iter()
                .zip(&other.providers)
                .all(|(one, other)| Arc::ptr_eq(one, other))
    }
}
