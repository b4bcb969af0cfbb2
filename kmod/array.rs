// SPDX-License-Identifier: GPL-2.0

//! The arrays, their members, and what is worked out from both before any
//! I/O asks: [`Array`] is what I/O sees, without a lock; all else is under the
//! lock of [`REGISTRY`].

use kernel::{
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc,
    },
};

use crate::{
    ffi::{self, Global, Mddev, Member, MemberId, PciDev, RcuBox},
    provider::Provider,
    reach::{self, Distance, Reach, Row},
    route::{self, Means, Route, State},
    stats::Stats,
};

/// What the I/O path and sysfs see of an array: `mddev->p2p` of C.
pub(crate) struct Array {
    /// Empty: no provider is reached.
    rows: RcuBox<KVec<Row>>,
    all_map: Atomic<bool>,
    one_reached: Atomic<bool>,
    /// The counters.
    pub(crate) stats: Stats,
}

impl Array {
    fn means(&self) -> Means {
        Means {
            all_map: self.all_map.load(Relaxed),
            one_reached: self.one_reached.load(Relaxed),
        }
    }

    /// Whether an array of this level takes peer memory.
    pub(crate) fn advertises(&self, level: i32) -> bool {
        route::advertises(level, self.means())
    }

    /// Who reaches the page at `address`. Does not sleep.
    pub(crate) fn reach(&self, address: u64) -> Reach {
        let reach = self
            .rows
            .read(|rows| rows.map_or(Reach::Unknown, |rows| reach::reach(rows, address)));
        if reach == Reach::Unknown {
            // A provider that no bus event has told of: this I/O cannot wait
            // for the answer, the next one will have it.
            ffi::look_for_providers();
        }
        reach
    }

    /// Whether a peer bio ends here, counting it if so. Does not sleep.
    pub(crate) fn refuses(&self, address: u64, level: i32) -> bool {
        let refused = route::route(level, self.reach(address)) == Route::Refused;
        if refused {
            self.stats.count_refused();
        }
        refused
    }

    /// What peer I/O meets now.
    pub(crate) fn state(&self, running: bool, level: i32) -> State {
        if running {
            route::state(level, self.means())
        } else {
            State::Off
        }
    }
}

/// A member as it was when it joined.
struct Joined {
    id: MemberId,
    client: Option<PciDev>,
    maps_peer: bool,
    /// One for each of `Registry::providers`.
    distances: KVec<Distance>,
}

impl Joined {
    fn new(member: Member<'_>) -> Self {
        Self {
            id: member.id(),
            client: member.client(),
            maps_peer: member.maps_peer(),
            distances: KVec::new(),
        }
    }

    /// A member whose driver cannot map peer pages reaches none, however near.
    fn measure(&mut self, providers: &[Provider]) -> Result {
        self.distances.clear();
        let client = self.client.as_ref().filter(|_| self.maps_peer);
        for provider in providers {
            let distance = client.and_then(|client| provider.dev().distance(client));
            self.distances.push(distance, GFP_KERNEL)?;
        }
        Ok(())
    }
}

struct Entry {
    mddev: Mddev,
    array: Arc<Array>,
    members: KVec<Joined>,
    /// A member joined for which there was no memory. What it reaches is not
    /// known, so the array takes no peer I/O any more.
    incomplete: bool,
}

impl Entry {
    fn by_all(&self, provider: usize) -> bool {
        !self.incomplete
            && reach::by_all(
                self.members
                    .iter()
                    .map(|member| member.distances.get(provider).copied().flatten()),
            )
    }

    fn rows(&self, providers: &[Provider]) -> Result<KBox<KVec<Row>>> {
        let mut rows = KVec::new();
        for (index, provider) in providers.iter().enumerate() {
            let by_all = self.by_all(index);
            for window in provider.windows() {
                rows.push(Row { window, by_all }, GFP_KERNEL)?;
            }
        }
        Ok(KBox::new(rows, GFP_KERNEL)?)
    }

    fn means(&self, providers: usize) -> Means {
        let mut mapping = self.members.iter().map(|member| member.maps_peer);
        Means {
            all_map: !self.incomplete && !self.members.is_empty() && mapping.all(|maps| maps),
            one_reached: providers == 0 || (0..providers).any(|provider| self.by_all(provider)),
        }
    }

    /// Tells the I/O path and the queue what the members and providers of now
    /// mean. Without memory nothing is reached: refusing is always right.
    fn publish(&self, providers: &[Provider]) {
        let rows = self.rows(providers).ok();
        let same = |old: Option<&KVec<Row>>| matches!((old, &rows), (Some(old), Some(new)) if old[..] == new[..]);
        if !self.array.rows.read(same) {
            self.array.rows.replace(rows);
        }
        let means = self.means(providers.len());
        self.array.all_map.store(means.all_map, Relaxed);
        self.array.one_reached.store(means.one_reached, Relaxed);
        if !self.mddev.advertise(means) {
            // Until then the queue says what is no longer so, and I/O that
            // comes of it is refused.
            ffi::look_for_providers();
        }
    }
}

/// All arrays and providers.
pub(crate) struct Registry {
    providers: KVec<Provider>,
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
    fn entry(&mut self, array: &Array) -> Option<(&mut Entry, &[Provider])> {
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
                rows: RcuBox::empty(),
                all_map: Atomic::new(false),
                one_reached: Atomic::new(false),
                stats: Stats::new()?,
            },
            GFP_KERNEL,
        )?;
        let entry = Entry {
            mddev,
            array: array.clone(),
            members: KVec::new(),
            incomplete: false,
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
    pub(crate) fn member_added(&mut self, array: &Array, member: Member<'_>) {
        if member.is_journal() {
            return;
        }
        let Some((entry, providers)) = self.entry(array) else {
            return;
        };
        let mut joined = Joined::new(member);
        if joined.measure(providers).is_err() || entry.members.push(joined, GFP_KERNEL).is_err() {
            entry.incomplete = true;
        }
        entry.publish(providers);
    }

    /// The array runs, and so has a queue to tell.
    pub(crate) fn started(&mut self, array: &Array) {
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
        entry.members.retain(|joined| joined.id != member);
        entry.publish(providers);
    }

    /// Looks for providers anew, and asks for all distances again. Sleeps.
    pub(crate) fn providers_changed(&mut self) {
        let Ok(providers) = Provider::all() else {
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

    /// Calls `f` with each provider's address and its distance from `member`,
    /// in the order of the providers.
    pub(crate) fn distances<E>(
        &self,
        array: &Array,
        member: MemberId,
        mut f: impl FnMut(&[u8], Distance) -> core::result::Result<(), E>,
    ) -> core::result::Result<(), E> {
        let member = self
            .entries
            .iter()
            .find(|entry| core::ptr::eq(&*entry.array, array))
            .and_then(|entry| entry.members.iter().find(|joined| joined.id == member));
        for (index, provider) in self.providers.iter().enumerate() {
            let distance = member.and_then(|joined| joined.distances.get(index).copied().flatten());
            f(provider.dev().name(), distance)?;
        }
        Ok(())
    }
}
