// SPDX-License-Identifier: GPL-2.0

//! The arrays, their members, and what is worked out from both before any
//! I/O asks: [`Array`] is what I/O sees, without a lock; all else is under the
//! lock of [`REGISTRY`].

use kernel::{
    fmt::{self, Write},
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc, SetOnce,
    },
};

use crate::{
    decide::{
        pause::Pause,
        reach::{self, Distance, Distances, Row, SLOTS},
        route::{self, Lender, Means, Policy, Route, Spread, State},
    },
    ffi::{self, Global, Mddev, Member, MemberId, PciDev, RcuBox, Stager},
    provider::Provider,
    rebuild::Loan,
    stats::Stats,
    text::Text,
};

/// What `%pg` makes of a block device.
pub(crate) type Name = Text<32>;

/// The ways between one provider and each member that are left alone for a while,
/// since only the repetition of direct I/O worked, through host memory.
struct Ways {
    /// False if no slot has a pause, or if one has just been lost sight of; then
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

    /// The bits of the slots whose pause is not over.
    fn left_alone(&self, now: impl FnOnce() -> u64) -> u64 {
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

    /// Whether that is news.
    fn failed(&self, slot: usize, now: u64) -> bool {
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

    fn worked(&self, slot: usize, now: impl FnOnce() -> u64) {
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
struct Table {
    rows: KVec<Row>,
    providers: KVec<Arc<Provider>>,
    /// Of each provider.
    ways: KVec<Ways>,
}

impl Table {
    /// Whether two say the same; none is always news.
    fn same(one: Option<&Table>, other: Option<&Table>) -> bool {
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

/// What the I/O path and sysfs see of an array: `mddev->p2p` of C.
pub(crate) struct Array {
    /// Empty: no provider is reached.
    table: RcuBox<Table>,
    some_reached: Atomic<bool>,
    all_reached: Atomic<bool>,
    policy: Atomic<i32>,
    /// Made before the first row that needs it.
    stager: SetOnce<Stager>,
    /// A [`Lender`]: what a person wants.
    lender: Atomic<u64>,
    /// A [`Lender`]: what a rebuild has found.
    lends: Atomic<u64>,
    /// A [`Pause`]: when rebuilds may try peer memory.
    pause: Atomic<u64>,
    /// The counters.
    pub(crate) stats: Stats,
}

impl Array {
    fn means(&self) -> Means {
        Means {
            some_reached: self.some_reached.load(Relaxed),
            all_reached: self.all_reached.load(Relaxed) && !self.leaves_some_alone(),
            can_stage: self.stager.as_ref().is_some(),
        }
    }

    /// What is to happen to what cannot be direct.
    pub(crate) fn policy(&self) -> Policy {
        let number = self.policy.load(Relaxed) as usize;
        Policy::ALL.get(number).copied().unwrap_or(Policy::Off)
    }

    /// Whether an array of this level takes peer memory.
    pub(crate) fn advertises(&self, level: i32) -> bool {
        route::advertises(Spread::of(level), self.policy(), self.means())
    }

    /// Calls `f` with the row of the page at `address`, without the ways that are
    /// left alone. If nothing may be staged, none is: trying is all that can be
    /// done. Does not sleep.
    fn passable<R>(&self, address: u64, f: impl FnOnce(Option<&Row>) -> R) -> R {
        let policy = self.policy();
        self.table.read(|table| {
            let row = table.and_then(|table| reach::row(&table.rows, address));
            if row.is_none() {
                // A provider that no bus event has told of: this I/O cannot
                // wait for the answer, the next one will have it.
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

    /// Calls `f` with the ways from the provider of the page at `address`, if it
    /// is known. Does not sleep.
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

    /// Direct I/O with the member in `slot` has failed, and its repetition has
    /// not: the way is left alone for a while. Does not sleep.
    pub(crate) fn way_failed(&self, address: u64, slot: usize) {
        let news = self.ways(address, |ways| ways.failed(slot, ffi::milliseconds()));
        if news == Some(true) {
            // The member may have a path that no bus event has told of.
            ffi::look_for_providers();
        }
    }

    /// The slots to which no way is tried now from the provider with this index.
    fn left_alone(&self, provider: usize) -> u64 {
        if self.policy() != Policy::Auto {
            return 0;
        }
        self.table.read(|table| {
            let ways = table.and_then(|table| table.ways.get(provider));
            ways.map_or(0, |ways| ways.left_alone(ffi::milliseconds))
        })
    }

    /// Whether some way is not tried now.
    fn leaves_some_alone(&self) -> bool {
        self.policy() == Policy::Auto
            && self.table.read(|table| {
                table.is_some_and(|table| {
                    let mut ways = table.ways.iter();
                    ways.any(|ways| ways.left_alone(ffi::milliseconds) != 0)
                })
            })
    }

    /// The way of a bio before a member has been chosen. Does not sleep.
    pub(crate) fn route(&self, address: u64, level: i32, write: bool) -> Route {
        let reach = self.passable(address, reach::reach);
        match route::route(Spread::of(level), self.policy(), write, reach) {
            // It may have to be staged yet: see `route_again`.
            Route::Direct if self.stager().is_none() => Route::Refused,
            route => self.possible(route),
        }
    }

    /// The way of a bio that the stripe cache is to copy. Does not sleep.
    pub(crate) fn route_cached(&self) -> Route {
        route::cached(self.policy())
    }

    /// The way to the member in `slot`. Does not sleep.
    pub(crate) fn route_member(&self, address: u64, slot: usize) -> Route {
        let distance = self.passable(address, |row| row.and_then(|row| row.distances.get(slot)));
        self.possible(route::member(self.policy(), distance))
    }

    /// The way of direct I/O that a member has failed. Does not sleep.
    pub(crate) fn route_again(&self, write: bool, mapped: bool) -> Route {
        self.possible(route::again(self.policy(), write, mapped))
    }

    /// Without pages nothing is staged.
    fn possible(&self, route: Route) -> Route {
        match route {
            Route::Staged if self.stager().is_none() => Route::Refused,
            _ => route,
        }
    }

    /// Calls `f` with the provider of the page at `address`. Does not sleep;
    /// nor may `f`.
    pub(crate) fn provider<R>(&self, address: u64, f: impl FnOnce(&PciDev) -> R) -> Option<R> {
        self.table.read(|table| {
            let table = table?;
            let row = reach::row(&table.rows, address)?;
            table
                .providers
                .get(row.provider)
                .map(|provider| f(provider.dev()))
        })
    }

    /// The members nearest to the page at `address` that are farther than
    /// `than`: their distance and the bits of their slots. Does not sleep.
    pub(crate) fn ring(&self, address: u64, than: Distance) -> Option<(u32, u64)> {
        self.passable(address, |row| row.and_then(|row| row.distances.ring(than)))
    }

    /// Whose memory rebuilds borrow, if a person has said so.
    pub(crate) fn lender(&self) -> Lender {
        Lender::from_bits(self.lender.load(Relaxed))
    }

    /// Whose memory the rebuild has borrowed that runs now, or ran last.
    pub(crate) fn lends(&self) -> Lender {
        Lender::from_bits(self.lends.load(Relaxed))
    }

    /// A rebuild starts, and has borrowed nothing yet. A provider that did not
    /// answer may do so again: no event tells.
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

    /// What was lent could not be used: nothing is lent for a while. The provider
    /// may have gone without a word. Does not sleep.
    pub(crate) fn loan_failed(&self) {
        if let Some(pause) = self.pause().failed(ffi::milliseconds()) {
            self.set_pause(pause);
            ffi::look_for_providers();
        }
    }

    /// What was lent has been of use. Does not sleep.
    pub(crate) fn loan_worked(&self) {
        if let Some(pause) = self.pause().worked(ffi::milliseconds()) {
            self.set_pause(pause);
        }
    }

    fn nobody_lends(&self) {
        self.lends.store(Lender::None.to_bits(), Relaxed);
    }

    /// Peer pages for `bytes` of a rebuild that reads the member in one slot and
    /// writes those in others, one bit each. Does not sleep.
    ///
    /// In a `resync` what is written has been in sync, and may be all that is left
    /// of it if the member that is read goes; so that one lends nothing, and does
    /// not take along what is on its way.
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
                    .lends
                    .store(Lender::Only(provider.dev().id()).to_bits(), Relaxed),
                None => {
                    self.nobody_lends();
                    self.loan_failed();
                }
            }
            loan
        })
    }

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
        let wanted = self.lender();
        let may_lend = |provider: usize| {
            let provider = table.providers.get(provider);
            provider.is_some_and(|it| it.lends() && wanted.may_be(it.dev().id()))
        };
        let provider = reach::lender(&table.rows, read, !resync, written, may_lend)?;
        table.providers.get(provider).map(|provider| &**provider)
    }

    /// Where staging is done, if there is anything to stage.
    pub(crate) fn stager(&self) -> Option<&Stager> {
        self.stager.as_ref()
    }

    /// What peer I/O meets now.
    pub(crate) fn state(&self, running: bool, level: i32) -> State {
        if running {
            route::state(Spread::of(level), self.policy(), self.means())
        } else {
            State::Off
        }
    }
}

/// Why peer I/O of an array meets what it does.
#[derive(Clone, Copy)]
pub(crate) enum Reason<'a> {
    Stopped,
    Policy,
    NoMemory,
    Parity,
    CannotMap(&'a Name),
    Unreached(&'a Name, &'a PciDev),
    LeftAlone(&'a Name, &'a PciDev),
    NoProvider,
    AllReach,
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Stopped => f.write_str("the array does not run"),
            Reason::Policy => f.write_str("p2pdma_policy is off"),
            Reason::NoMemory => f.write_str("there was no memory to keep track of a member"),
            Reason::Parity => f.write_str("parity is computed from copies in the stripe cache"),
            Reason::CannotMap(member) => f.write_fmt(fmt!("{member} cannot map peer memory")),
            Reason::Unreached(member, provider) => {
                f.write_fmt(fmt!("{member} does not reach {provider}"))
            }
            Reason::LeftAlone(member, provider) => f.write_fmt(fmt!(
                "{member} failed direct I/O with {provider}, which is not tried for a while"
            )),
            Reason::NoProvider => f.write_str("there is no provider yet"),
            Reason::AllReach => f.write_str("every member reaches every provider"),
        }
    }
}

/// A member, and what it said when it was asked last.
struct Joined {
    member: Member,
    name: Name,
    slot: usize,
    maps_peer: bool,
    /// One for each of `Registry::providers`.
    distances: KVec<Distance>,
}

impl Joined {
    fn new(member: Member, slot: usize) -> Self {
        Self {
            name: member.name(),
            member,
            slot,
            maps_peer: false,
            distances: KVec::new(),
        }
    }

    /// A member whose driver cannot map peer pages reaches none, however near.
    fn measure(&mut self, providers: &[Arc<Provider>]) -> Result {
        self.distances.clear();
        self.maps_peer = self.member.maps_peer();
        let clients = self.member.clients();
        for provider in providers {
            let of_clients = clients
                .iter()
                .flatten()
                .filter(|_| self.maps_peer)
                .map(|client| provider.dev().distance(client));
            self.distances
                .push(reach::farthest(of_clients), GFP_KERNEL)?;
        }
        Ok(())
    }

    /// From the provider of this index.
    fn distance(&self, provider: usize) -> Distance {
        self.distances.get(provider).copied().flatten()
    }
}

struct Entry {
    mddev: Mddev,
    array: Arc<Array>,
    members: KVec<Joined>,
    /// Members that joined when there was no memory for them. What they reach is
    /// not known, and they count as reaching nothing.
    unknown: usize,
    /// What the kernel log was told last.
    told: Text,
}

impl Entry {
    fn by_all(&self, provider: usize) -> bool {
        let of_member = |member: &Joined| match member.slot {
            // There is no room for its distance in a row.
            SLOTS.. => None,
            _ => member.distance(provider),
        };
        self.unknown == 0 && reach::by_all(self.members.iter().map(of_member))
    }

    fn table(&self, providers: &[Arc<Provider>]) -> Result<KBox<Table>> {
        let mut rows = KVec::new();
        let mut shared = KVec::new();
        let mut ways = KVec::new();
        for (index, provider) in providers.iter().enumerate() {
            let by_all = self.by_all(index);
            let mut distances = Distances::NONE;
            for member in &self.members {
                distances.set(member.slot, member.distance(index));
            }
            shared.push(provider.clone(), GFP_KERNEL)?;
            ways.push(Ways::new(), GFP_KERNEL)?;
            for &window in provider.windows() {
                let row = Row {
                    window,
                    provider: index,
                    by_all,
                    distances,
                };
                rows.push(row, GFP_KERNEL)?;
            }
        }
        let table = Table {
            rows,
            providers: shared,
            ways,
        };
        Ok(KBox::new(table, GFP_KERNEL)?)
    }

    /// The first slot that no member has.
    fn free_slot(&self) -> usize {
        let taken = |slot| self.members.iter().any(|member| member.slot == slot);
        (0..SLOTS).find(|&slot| !taken(slot)).unwrap_or(SLOTS)
    }

    /// Tells the I/O path and the queue what the members and providers of now
    /// mean. Without memory nothing is reached: staging is always right, and
    /// refusing where there is no memory even for that.
    fn publish(&mut self, providers: &[Arc<Provider>]) {
        let all_reached = self.unknown == 0
            && self.members.iter().all(|member| member.maps_peer)
            && (0..providers.len()).all(|provider| self.by_all(provider));
        let some_reached = providers.is_empty()
            || self
                .members
                .iter()
                .any(|member| member.distances.iter().any(Option::is_some));
        // What is reached now may be found out of reach by a member's driver.
        if !providers.is_empty() && self.array.stager().is_none() {
            if let Ok(stager) = self.mddev.stager() {
                self.array.stager.populate(stager);
            }
        }

        let table = self.table(providers).ok();
        if !self
            .array
            .table
            .read(|old| Table::same(old, table.as_deref()))
        {
            self.array.table.replace(table);
            self.array.set_pause(Pause::NONE);
        }
        self.array.some_reached.store(some_reached, Relaxed);
        self.array.all_reached.store(all_reached, Relaxed);
        self.advertise(providers);
    }

    /// Tells the queue, and whoever reads the kernel log.
    fn advertise(&mut self, providers: &[Arc<Provider>]) {
        if !self.mddev.advertise(&self.array) {
            // Until then the queue says what is no longer so, and I/O that
            // comes of it is staged or refused.
            ffi::look_for_providers();
        }
        let text = self.summary(providers);
        if self.mddev.runs() && text != self.told {
            pr_info!("{}: peer I/O is {}\n", self.mddev.name(), text);
            self.told = text;
        }
    }

    /// The state, the first reason for it, and how many more there are.
    fn summary(&self, providers: &[Arc<Provider>]) -> Text {
        let mut text = Text::new();
        let (mut count, mut full) = (0, Ok(()));
        let state = self.state();
        let _ = self.reasons(providers, |reason| {
            count += 1;
            if count == 1 {
                full = text.write_fmt(fmt!("{}: {reason}", state.name()));
            }
            Ok::<(), core::fmt::Error>(())
        });
        if count > 1 && full.is_ok() {
            // What does not fit is cut off.
            let _ = write!(text, ", and {} more", count - 1);
        }
        text
    }

    fn state(&self) -> State {
        self.array.state(self.mddev.runs(), self.mddev.level())
    }

    /// Calls `f` with each reason for the state, the weightiest first; there
    /// is one at least.
    fn reasons<E>(
        &self,
        providers: &[Arc<Provider>],
        mut f: impl FnMut(Reason<'_>) -> core::result::Result<(), E>,
    ) -> core::result::Result<(), E> {
        if !self.mddev.runs() {
            return f(Reason::Stopped);
        }
        if self.array.policy() == Policy::Off {
            return f(Reason::Policy);
        }
        let mut all_well = true;
        let mut say = |reason| {
            all_well = false;
            f(reason)
        };
        if self.unknown > 0 {
            say(Reason::NoMemory)?;
        }
        if Spread::of(self.mddev.level()) == Spread::Cached {
            say(Reason::Parity)?;
        }
        for member in self.members.iter().filter(|member| !member.maps_peer) {
            say(Reason::CannotMap(&member.name))?;
        }
        for (index, provider) in providers.iter().enumerate() {
            let far = |member: &&Joined| member.maps_peer && member.distance(index).is_none();
            for member in self.members.iter().filter(far) {
                say(Reason::Unreached(&member.name, provider.dev()))?;
            }
            let left_alone = self.array.left_alone(index);
            let waits =
                |member: &&Joined| member.slot < SLOTS && left_alone >> member.slot & 1 == 1;
            for member in self.members.iter().filter(waits) {
                say(Reason::LeftAlone(&member.name, provider.dev()))?;
            }
        }
        match all_well {
            true if providers.is_empty() => f(Reason::NoProvider),
            true => f(Reason::AllReach),
            false => Ok(()),
        }
    }
}

/// All arrays and providers.
pub(crate) struct Registry {
    providers: KVec<Arc<Provider>>,
    entries: KVec<Entry>,
}

/// The registry and its lock.
// SAFETY: The only `Global` of this module.
pub(crate) static REGISTRY: Global<Registry> = unsafe {
    Global::new(Registry {
        providers: KVec::new(),
        entries: KVec::new(),
    })
};

impl Registry {
    fn entry(&mut self, array: &Array) -> Option<(&mut Entry, &[Arc<Provider>])> {
        let providers = &self.providers;
        self.entries
            .iter_mut()
            .find(|entry| core::ptr::eq(&*entry.array, array))
            .map(|entry| (entry, providers.as_slice()))
    }

    /// A new array without members.
    pub(crate) fn add(&mut self, mddev: Mddev) -> Result<Arc<Array>> {
        let array = Arc::new(
            Array {
                table: RcuBox::empty(),
                some_reached: Atomic::new(false),
                all_reached: Atomic::new(false),
                policy: Atomic::new(ffi::default_policy()),
                stager: SetOnce::new(),
                lender: Atomic::new(Lender::Auto.to_bits()),
                lends: Atomic::new(Lender::None.to_bits()),
                pause: Atomic::new(Pause::NONE.to_bits()),
                stats: Stats::new()?,
            },
            GFP_KERNEL,
        )?;
        let entry = Entry {
            mddev,
            array: array.clone(),
            members: KVec::new(),
            unknown: 0,
            told: Text::new(),
        };
        self.entries.push(entry, GFP_KERNEL)?;
        Ok(array)
    }

    /// Forgets an array.
    pub(crate) fn remove(&mut self, array: &Array) {
        self.entries
            .retain(|entry| !core::ptr::eq(&*entry.array, array));
    }

    /// A member joins, before any I/O can reach it. A write journal is none:
    /// it is handed copies only.
    pub(crate) fn member_added(&mut self, array: &Array, member: Member) {
        member.set_slot(SLOTS);
        if member.is_journal() {
            return;
        }
        let Some((entry, providers)) = self.entry(array) else {
            return;
        };
        let slot = entry.free_slot();
        array.stats.clear_member(slot);
        let mut joined = Joined::new(member, slot);
        if joined.measure(providers).is_err() || entry.members.reserve(1, GFP_KERNEL).is_err() {
            entry.unknown += 1;
        } else {
            joined.member.set_slot(slot);
            // There is room.
            let _ = entry.members.push(joined, GFP_KERNEL);
        }
        entry.publish(providers);
    }

    /// Another policy, with I/O in flight: what has been decided stays.
    pub(crate) fn set_policy(&mut self, array: &Array, policy: Policy) {
        if let Some((entry, providers)) = self.entry(array) {
            array.policy.store(policy as i32, Relaxed);
            entry.advertise(providers);
        }
    }

    /// Whose memory rebuilds are to borrow from now on: someone's who publishes
    /// it, or `ENODEV`.
    pub(crate) fn set_lender(&self, array: &Array, lender: Lender) -> Result {
        let known = |id| {
            let mut providers = self.providers.iter();
            providers.any(|provider| provider.lends() && provider.dev().id() == id)
        };
        match lender {
            Lender::Only(id) if !known(id) => Err(ENODEV),
            _ => {
                array.lender.store(lender.to_bits(), Relaxed);
                array.set_pause(Pause::NONE);
                Ok(())
            }
        }
    }

    /// The array runs, and so has a queue to tell, or has another level, of which
    /// nothing has been rebuilt yet.
    pub(crate) fn started(&mut self, array: &Array) {
        array.nobody_lends();
        if let Some((entry, providers)) = self.entry(array) {
            entry.publish(providers);
        }
    }

    /// Gives everything back. Arrays may still be on their way out.
    pub(crate) fn forget(&mut self) {
        self.providers = KVec::new();
        self.entries = KVec::new();
    }

    /// A member has left.
    pub(crate) fn member_removed(&mut self, array: &Array, member: MemberId) {
        let Some((entry, providers)) = self.entry(array) else {
            return;
        };
        let known = entry.members.len();
        entry.members.retain(|joined| joined.member.id() != member);
        if entry.members.len() == known {
            entry.unknown = entry.unknown.saturating_sub(1);
        }
        entry.publish(providers);
    }

    /// Looks for providers anew, and asks for all distances again. Sleeps.
    pub(crate) fn providers_changed(&mut self) {
        let Ok(providers) = Provider::all(&self.providers) else {
            // What was known stays; a page of anyone new is refused.
            ffi::look_for_providers();
            return;
        };
        self.providers = providers;
        for entry in &mut self.entries {
            for member in &mut entry.members {
                if member.measure(&self.providers).is_err() {
                    member.distances.clear();
                }
            }
            entry.publish(&self.providers);
        }
    }

    /// Calls `f` with each reason for the state of an array.
    pub(crate) fn reasons<E>(
        &self,
        array: &Array,
        f: impl FnMut(Reason<'_>) -> core::result::Result<(), E>,
    ) -> core::result::Result<(), E> {
        self.entries
            .iter()
            .find(|entry| core::ptr::eq(&*entry.array, array))
            .map_or(Ok(()), |entry| entry.reasons(&self.providers, f))
    }

    /// Calls `f` with each provider and its distance from `member`,
    /// in the order of the providers.
    pub(crate) fn distances<E>(
        &self,
        array: &Array,
        member: MemberId,
        mut f: impl FnMut(&PciDev, Distance) -> core::result::Result<(), E>,
    ) -> core::result::Result<(), E> {
        let member = self
            .entries
            .iter()
            .find(|entry| core::ptr::eq(&*entry.array, array))
            .and_then(|entry| {
                entry
                    .members
                    .iter()
                    .find(|joined| joined.member.id() == member)
            });
        for (index, provider) in self.providers.iter().enumerate() {
            let distance = member.and_then(|joined| joined.distance(index));
            f(provider.dev(), distance)?;
        }
        Ok(())
    }
}
