// SPDX-License-Identifier: GPL-2.0

//! What is known of one array and its members, under the lock of the registry.

use kernel::{fmt::Write, prelude::*, sync::Arc};

use crate::{
    array::Array,
    decide::{
        reach::{self, Distance, Distances, Row, SLOTS},
        route::{Policy, Spread, State},
    },
    ffi::{self, Mddev, Member, MemberId},
    provider::Provider,
    reason::Reason,
    table::Table,
    text::{Name, Text},
};

/// A member, and what it said when it was asked last.
struct KnownMember {
    member: Member,
    name: Name,
    slot: usize,
    maps_peer: bool,
    /// The distance from each provider of the registry.
    distances: KVec<Distance>,
}

impl KnownMember {
    fn new(member: Member, slot: usize) -> Self {
        Self {
            name: member.name(),
            member,
            slot,
            maps_peer: false,
            distances: KVec::new(),
        }
    }

    /// Asks for the distance from each provider. A member whose driver cannot map
    /// peer pages reaches none, however near it is. Sleeps.
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

    /// Returns the distance from the provider of this index.
    fn distance(&self, provider: usize) -> Distance {
        self.distances.get(provider).copied().flatten()
    }
}

/// One array, and what is known of it.
pub(crate) struct Entry {
    mddev: Mddev,
    array: Arc<Array>,
    members: KVec<KnownMember>,
    /// The number of members that joined when there was no memory for them. Their
    /// reach is not known, so they count as reaching nothing.
    unknown: usize,
    /// What the kernel log was told last.
    last_logged: Text,
}

impl Entry {
    /// Makes an entry without members.
    pub(crate) fn new(mddev: Mddev, array: Arc<Array>) -> Self {
        Self {
            mddev,
            array,
            members: KVec::new(),
            unknown: 0,
            last_logged: Text::new(),
        }
    }

    /// Tells whether this is the entry of `array`.
    pub(crate) fn is_of(&self, array: &Array) -> bool {
        core::ptr::eq(&*self.array, array)
    }

    /// Takes from the I/O path what it knows of providers. Sleeps.
    pub(crate) fn forget_providers(&self) {
        self.array.set_reach(None, false, false);
    }

    /// A member joins, and gets a slot.
    pub(crate) fn member_added(&mut self, member: Member, providers: &[Arc<Provider>]) {
        let slot = self.free_slot();
        self.array.stats.clear_member(slot);
        let mut known = KnownMember::new(member, slot);
        if known.measure(providers).is_err() || self.members.reserve(1, GFP_KERNEL).is_err() {
            self.unknown += 1;
        } else {
            known.member.set_slot(slot);
            // There is room.
            let _ = self.members.push(known, GFP_KERNEL);
        }
        self.publish(providers);
    }

    /// A member has left.
    pub(crate) fn member_removed(&mut self, member: MemberId, providers: &[Arc<Provider>]) {
        let before = self.members.len();
        self.members.retain(|known| known.member.id() != member);
        if self.members.len() == before {
            self.unknown = self.unknown.saturating_sub(1);
        }
        self.publish(providers);
    }

    /// Other providers are there, or the distances may be others. Sleeps.
    pub(crate) fn providers_changed(&mut self, providers: &[Arc<Provider>]) {
        for member in &mut self.members {
            if member.measure(providers).is_err() {
                member.distances.clear();
            }
        }
        self.publish(providers);
    }

    /// Returns the distance of a member from the provider of this index.
    pub(crate) fn distance(&self, member: MemberId, provider: usize) -> Distance {
        let mut members = self.members.iter();
        members
            .find(|known| known.member.id() == member)
            .and_then(|known| known.distance(provider))
    }

    /// Tells whether all members reach the provider of this index.
    fn by_all(&self, provider: usize) -> bool {
        let of_member = |member: &KnownMember| match member.slot {
            // There is no room for its distance in a row.
            SLOTS.. => None,
            _ => member.distance(provider),
        };
        self.unknown == 0 && reach::by_all(self.members.iter().map(of_member))
    }

    /// Makes the table that the I/O path is to see.
    fn table(&self, providers: &[Arc<Provider>]) -> Result<KBox<Table>> {
        let mut rows = KVec::new();
        let mut shared = KVec::new();
        for (index, provider) in providers.iter().enumerate() {
            let by_all = self.by_all(index);
            let mut distances = Distances::NONE;
            for member in &self.members {
                distances.set(member.slot, member.distance(index));
            }
            shared.push(provider.clone(), GFP_KERNEL)?;
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
        Table::new(rows, shared)
    }

    /// Returns the first slot that no member has.
    fn free_slot(&self) -> usize {
        let taken = |slot| self.members.iter().any(|member| member.slot == slot);
        (0..SLOTS).find(|&slot| !taken(slot)).unwrap_or(SLOTS)
    }

    /// Tells the I/O path and the queue what the present members and providers
    /// mean. If there is no memory, nothing is reached, because staging is always
    /// right. If there is no memory even for staging, refusing is right.
    pub(crate) fn publish(&mut self, providers: &[Arc<Provider>]) {
        let all_reached = self.unknown == 0
            && self.members.iter().all(|member| member.maps_peer)
            && (0..providers.len()).all(|provider| self.by_all(provider));
        let some_reached = providers.is_empty()
            || self
                .members
                .iter()
                .any(|member| member.distances.iter().any(Option::is_some));
        // A member's driver may find out of reach what is reached now.
        if !providers.is_empty() && self.array.stager().is_none() {
            if let Ok(stager) = self.mddev.stager() {
                self.array.set_stager(stager);
            }
        }

        let table = self.table(providers).ok();
        self.array.set_reach(table, some_reached, all_reached);
        self.advertise(providers);
    }

    /// Tells the queue whether it takes peer memory, and the kernel log why.
    pub(crate) fn advertise(&mut self, providers: &[Arc<Provider>]) {
        let advertises = self.array.advertises();
        if !self.mddev.advertise(advertises) {
            // Until then the queue says what is no longer true. I/O that comes
            // meanwhile is staged or refused.
            ffi::look_for_providers();
        }
        let text = self.summary(providers);
        if self.mddev.runs() && text != self.last_logged {
            pr_info!("{}: peer I/O is {}\n", self.mddev.name(), text);
            self.last_logged = text;
        }
    }

    /// Returns the state, the first reason for it, and how many more there are.
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

    /// Calls `f` with each reason for the state, the weightiest first. There is at
    /// least one.
    pub(crate) fn reasons<E>(
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
            let far = |member: &&KnownMember| member.maps_peer && member.distance(index).is_none();
            for member in self.members.iter().filter(far) {
                say(Reason::Unreached(&member.name, provider.dev()))?;
            }
            let left_alone = self.array.left_alone(index);
            let waits =
                |member: &&KnownMember| member.slot < SLOTS && left_alone >> member.slot & 1 == 1;
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
