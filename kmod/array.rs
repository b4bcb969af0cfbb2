// SPDX-License-Identifier: GPL-2.0

//! What I/O sees of an array, without a lock.

use kernel::{
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        SetOnce,
    },
};

use crate::{
    decide::{
        pause::Pause,
        reach::{self, Distance, Row},
        route::{self, Lender, Means, Policy, Route, Spread, State},
    },
    ffi::{self, Engine, RcuBox, Stager},
    loan::Loan,
    provider::Provider,
    stats::Stats,
    table::{Table, Ways},
};

/// The milliseconds between two looks for a DMA engine. A work queue of DSA may be
/// enabled at any time, and no event of the PCI bus tells of it.
const LOOK_FOR_ENGINES: u64 = 10_000;

/// What the I/O path and sysfs see of an array: `mddev->p2p` of C.
pub(crate) struct Array {
    /// Who reaches what. Nobody reaches anything if it is empty.
    table: RcuBox<Table>,
    some_reached: Atomic<bool>,
    all_reached: Atomic<bool>,
    policy: Atomic<i32>,
    /// Made before the first row that needs it.
    stager: SetOnce<Stager>,
    /// A [`Lender`]: what a person wants.
    wanted_lender: Atomic<u64>,
    /// A [`Lender`]: what a rebuild has found.
    current_lender: Atomic<u64>,
    /// A [`Pause`]: when rebuilds may try peer memory.
    pause: Atomic<u64>,
    /// When a DMA engine is looked for again, in milliseconds.
    engines_due: Atomic<u64>,
    /// The counters.
    pub(crate) stats: Stats,
}

impl Array {
    /// Makes an array that reaches nothing, with the policy of this number. Sleeps.
    pub(crate) fn new(policy: i32) -> Result<Self> {
        Ok(Self {
            table: RcuBox::empty(),
            some_reached: Atomic::new(false),
            all_reached: Atomic::new(false),
            policy: Atomic::new(policy),
            stager: SetOnce::new(),
            wanted_lender: Atomic::new(Lender::Auto.to_bits()),
            current_lender: Atomic::new(Lender::None.to_bits()),
            pause: Atomic::new(Pause::NONE.to_bits()),
            engines_due: Atomic::new(0),
            stats: Stats::new()?,
        })
    }

    /// Sets who reaches what. A way that was left alone is forgotten with the old
    /// table, unless the new table is equal. Sleeps.
    pub(crate) fn set_reach(
        &self,
        table: Option<KBox<Table>>,
        some_reached: bool,
        all_reached: bool,
    ) {
        if !self.table.read(|old| Table::same(old, table.as_deref())) {
            self.table.replace(table);
            self.set_pause(Pause::NONE);
        }
        self.some_reached.store(some_reached, Relaxed);
        self.all_reached.store(all_reached, Relaxed);
    }

    /// Gives it what staging needs, unless it has that already.
    pub(crate) fn set_stager(&self, stager: Stager) {
        self.stager.populate(stager);
    }

    /// Sets what is to happen to what cannot be direct.
    pub(crate) fn set_policy(&self, policy: Policy) {
        self.policy.store(policy as i32, Relaxed);
    }

    /// Sets whose memory rebuilds are to borrow.
    pub(crate) fn set_wanted_lender(&self, lender: Lender) {
        self.wanted_lender.store(lender.to_bits(), Relaxed);
        self.set_pause(Pause::NONE);
    }

    /// Returns what its members and the providers allow.
    fn means(&self) -> Means {
        Means {
            some_reached: self.some_reached.load(Relaxed),
            all_reached: self.all_reached.load(Relaxed) && !self.leaves_some_alone(),
            can_stage: self.stager.as_ref().is_some(),
        }
    }

    /// Returns what is to happen to what cannot be direct.
    pub(crate) fn policy(&self) -> Policy {
        let number = self.policy.load(Relaxed) as usize;
        Policy::ALL.get(number).copied().unwrap_or(Policy::Off)
    }

    /// Tells whether the array takes peer memory.
    pub(crate) fn advertises(&self) -> bool {
        route::advertises(self.policy(), self.means())
    }

    /// Calls `f` with the row of the page at `address`, without the ways that are
    /// left alone. If nothing may be staged, no way is left alone, because trying is
    /// all that can be done. Does not sleep.
    fn passable<R>(&self, address: u64, f: impl FnOnce(Option<&Row>) -> R) -> R {
        let policy = self.policy();
        self.table.read(|table| {
            let row = table.and_then(|table| reach::row(&table.rows, address));
            if row.is_none() {
                // No bus event has told of the provider. This I/O cannot wait
                // for the answer, but the next one will have it.
                ffi::look_for_providers();
            }
            let left_alone = match (table, row, policy) {
                (Some(table), Some(row), Policy::Auto) => table
                    .ways
                    .get(row.provider)
                    .map_or(0, |ways| ways.left_alone(ffi::milliseconds)),
                _ => 0,
            };
            match (row, left_alone) {
                (row, 0) => f(row),
                (row, _) => f(row.map(|row| row.without(left_alone)).as_ref()),
            }
        })
    }

    /// Calls `f` with the ways from the provider of the page at `address`. Returns
    /// `None` if the provider is not known. Does not sleep.
    fn ways<R>(&self, address: u64, f: impl FnOnce(&Ways) -> R) -> Option<R> {
        self.table.read(|table| {
            let table = table?;
            let row = reach::row(&table.rows, address)?;
            table.ways.get(row.provider).map(f)
        })
    }

    /// Direct I/O with the member in `slot` has worked. Does not sleep.
    pub(crate) fn way_worked(&self, address: u64, slot: usize) {
        self.ways(address, |ways| ways.worked(slot, ffi::milliseconds));
    }

    /// Direct I/O with the member in `slot` has failed, but its repetition has
    /// worked, so the way is left alone for a while. Does not sleep.
    pub(crate) fn way_failed(&self, address: u64, slot: usize) {
        let news = self.ways(address, |ways| ways.failed(slot, ffi::milliseconds()));
        if news == Some(true) {
            // The member may have a path that no bus event has told of.
            ffi::look_for_providers();
        }
    }

    /// Returns the bits of the slots to which no way is tried now from the provider
    /// with this index.
    pub(crate) fn left_alone(&self, provider: usize) -> u64 {
        if self.policy() != Policy::Auto {
            return 0;
        }
        self.table.read(|table| {
            let ways = table.and_then(|table| table.ways.get(provider));
            ways.map_or(0, |ways| ways.left_alone(ffi::milliseconds))
        })
    }

    /// Tells whether some way is not tried now.
    fn leaves_some_alone(&self) -> bool {
        self.policy() == Policy::Auto
            && self.table.read(|table| {
                table.is_some_and(|table| {
                    let mut ways = table.ways.iter();
                    ways.any(|ways| ways.left_alone(ffi::milliseconds) != 0)
                })
            })
    }

    /// Decides about a bio before a member has been chosen. Does not sleep.
    pub(crate) fn route(&self, address: u64, level: i32, write: bool) -> Route {
        let reach = self.passable(address, reach::reach);
        match route::route(Spread::of(level), self.policy(), write, reach) {
            // It may still have to be staged: see `route_again`.
            Route::Direct if self.stager().is_none() => Route::Refused,
            route => self.possible(route),
        }
    }

    /// Decides about a bio whose data MD must have in host pages. Does not sleep.
    pub(crate) fn route_copied(&self) -> Route {
        self.possible(route::copied(self.policy()))
    }

    /// Decides about the way to the member in `slot`. Does not sleep.
    pub(crate) fn route_member(&self, address: u64, slot: usize) -> Route {
        let distance = self.passable(address, |row| row.and_then(|row| row.distances.get(slot)));
        self.possible(route::member(self.policy(), distance))
    }

    /// Decides about direct I/O that a member has failed. Does not sleep.
    pub(crate) fn route_again(&self, write: bool, mapped: bool) -> Route {
        self.possible(route::again(self.policy(), write, mapped))
    }

    /// Refuses instead of staging if there are no pages to stage with.
    fn possible(&self, route: Route) -> Route {
        match route {
            Route::Staged if self.stager().is_none() => Route::Refused,
            _ => route,
        }
    }

    /// Calls `f` with the provider of the page at `address`. Returns `None` if the
    /// provider is not known. Does not sleep; nor may `f`.
    pub(crate) fn provider<R>(&self, address: u64, f: impl FnOnce(&Provider) -> R) -> Option<R> {
        self.table.read(|table| {
            let table = table?;
            let row = reach::row(&table.rows, address)?;
            table
                .providers
                .get(row.provider)
                .map(|provider| f(provider))
        })
    }

    /// Returns the DMA engine that is to copy from or to the page at `address`; `None`
    /// if the CPU is to. Does not sleep.
    pub(crate) fn engine(&self, address: u64) -> Option<Engine> {
        let now = ffi::milliseconds();
        let (engine, lacks) = self.provider(address, |provider| {
            (provider.engine(now), provider.lacks_engine())
        })?;
        if lacks && self.engines_due.load(Relaxed) <= now {
            self.engines_due.store(now + LOOK_FOR_ENGINES, Relaxed);
            ffi::look_for_providers();
        }
        engine
    }

    /// Returns the members nearest to the page at `address` among those that are
    /// farther than `than`: their distance and the bits of their slots. Does not
    /// sleep.
    pub(crate) fn ring(&self, address: u64, than: Distance) -> Option<(u32, u64)> {
        self.passable(address, |row| row.and_then(|row| row.distances.ring(than)))
    }

    /// Returns whose memory rebuilds are to borrow, as a person wants it.
    pub(crate) fn wanted_lender(&self) -> Lender {
        Lender::from_bits(self.wanted_lender.load(Relaxed))
    }

    /// Returns whose memory the present rebuild has borrowed, or the last one.
    pub(crate) fn current_lender(&self) -> Lender {
        Lender::from_bits(self.current_lender.load(Relaxed))
    }

    /// A rebuild starts, and has borrowed nothing yet. A provider that did not
    /// answer may answer again, and no event tells of that.
    pub(crate) fn rebuild_starts(&self) {
        self.nobody_lends();
        self.set_pause(Pause::NONE);
        ffi::look_for_providers();
    }

    fn pause(&self) -> Pause {
        Pause::from_bits(self.pause.load(Relaxed))
    }

    fn set_pause(&self, pause: Pause) {
        self.pause.store(pause.to_bits(), Relaxed);
    }

    /// A loan could not be used, so nothing is lent for a while. The provider may
    /// have gone without a word. Does not sleep.
    pub(crate) fn loan_failed(&self) {
        if let Some(pause) = self.pause().failed(ffi::milliseconds()) {
            self.set_pause(pause);
            ffi::look_for_providers();
        }
    }

    /// A loan has been of use. Does not sleep.
    pub(crate) fn loan_worked(&self) {
        if let Some(pause) = self.pause().worked(ffi::milliseconds()) {
            self.set_pause(pause);
        }
    }

    /// No memory is borrowed now.
    pub(crate) fn nobody_lends(&self) {
        self.current_lender.store(Lender::None.to_bits(), Relaxed);
    }

    /// Lends peer pages for `bytes` of a rebuild that reads the member in the slot
    /// `read` and writes those whose bits are set in `written`. Does not sleep.
    ///
    /// In a `resync` the member that is read lends nothing. The members that are
    /// written have been in sync, and may have the only copy if the member that is
    /// read goes. Data in that member's memory would go with it.
    pub(crate) fn loan(
        &self,
        read: usize,
        resync: bool,
        written: u64,
        bytes: usize,
    ) -> Option<Loan> {
        self.table.read(|table| {
            let lender = table.and_then(|table| self.find_lender(table, read, resync, written));
            let Some(provider) = lender else {
                self.nobody_lends();
                return None;
            };
            let borrowed = provider.borrow_pages(Loan::pages(bytes))?;
            let loan = Loan::new(borrowed, bytes);
            match loan {
                Some(_) => self
                    .current_lender
                    .store(Lender::Only(provider.dev().id()).to_bits(), Relaxed),
                None => {
                    self.nobody_lends();
                    self.loan_failed();
                }
            }
            loan
        })
    }

    /// Finds the provider that is to lend.
    fn find_lender<'a>(
        &self,
        table: &'a Table,
        read: usize,
        resync: bool,
        written: u64,
    ) -> Option<&'a Provider> {
        if !self.pause().is_over(ffi::milliseconds()) {
            return None;
        }
        let wanted = self.wanted_lender();
        let may_lend = |provider: usize| {
            let provider = table.providers.get(provider);
            provider.is_some_and(|it| it.lends() && wanted.may_be(it.dev().id()))
        };
        let provider = reach::lender(&table.rows, read, !resync, written, may_lend)?;
        table.providers.get(provider).map(|provider| &**provider)
    }

    /// Returns what staging needs; `None` if there is nothing to stage.
    pub(crate) fn stager(&self) -> Option<&Stager> {
        self.stager.as_ref()
    }

    /// Returns what peer I/O meets now.
    pub(crate) fn state(&self, running: bool, level: i32) -> State {
        if running {
            route::state(Spread::of(level), self.policy(), self.means())
        } else {
            State::Off
        }
    }
}
