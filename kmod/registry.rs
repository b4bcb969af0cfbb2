// SPDX-License-Identifier: GPL-2.0

//! All arrays and providers, under one lock. What I/O is to see of them goes to
//! [`Array`].

use kernel::{prelude::*, sync::Arc};

use crate::{
    array::Array,
    decide::{
        reach::{Distance, SLOTS},
        route::{Lender, Policy},
    },
    entry::Entry,
    ffi::{self, Global, Mddev, Member, MemberId, PciDev},
    provider::Provider,
    reason::Reason,
};

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
    /// Returns the entry of an array, and the providers.
    fn entry(&mut self, array: &Array) -> Option<(&mut Entry, &[Arc<Provider>])> {
        let providers = &self.providers;
        let mut entries = self.entries.iter_mut();
        entries
            .find(|entry| entry.is_of(array))
            .map(|entry| (entry, providers.as_slice()))
    }

    /// Makes an array without members.
    pub(crate) fn add(&mut self, mddev: Mddev, policy: i32) -> Result<Arc<Array>> {
        let array = Arc::new(Array::new(policy)?, GFP_KERNEL)?;
        let entry = Entry::new(mddev, array.clone());
        self.entries.push(entry, GFP_KERNEL)?;
        if self.entries.len() == 1 {
            self.providers_changed();
        }
        Ok(array)
    }

    /// Forgets an array. Without arrays nobody needs a provider, and its DMA engine
    /// is given back.
    pub(crate) fn remove(&mut self, array: &Array) {
        self.entries.retain(|entry| !entry.is_of(array));
        if self.entries.is_empty() {
            self.providers = KVec::new();
        }
    }

    /// A member joins, before any I/O can reach it. A write journal counts as no
    /// member, because it is handed copies only.
    pub(crate) fn member_added(&mut self, array: &Array, member: Member) {
        member.set_slot(SLOTS);
        if member.is_journal() {
            return;
        }
        if let Some((entry, providers)) = self.entry(array) {
            entry.member_added(member, providers);
        }
    }

    /// A member has left.
    pub(crate) fn member_removed(&mut self, array: &Array, member: MemberId) {
        if let Some((entry, providers)) = self.entry(array) {
            entry.member_removed(member, providers);
        }
    }

    /// An array runs, and so has a queue to tell; or it has another level, of which
    /// nothing has been rebuilt yet.
    pub(crate) fn started(&mut self, array: &Array) {
        array.nobody_lends();
        if let Some((entry, providers)) = self.entry(array) {
            entry.publish(providers);
        }
    }

    /// Sets another policy, with I/O in flight: what has been decided stays.
    pub(crate) fn set_policy(&mut self, array: &Array, policy: Policy) {
        if let Some((entry, providers)) = self.entry(array) {
            array.set_policy(policy);
            entry.advertise(providers);
        }
    }

    /// Sets whose memory rebuilds are to borrow from now on. Returns `ENODEV` if it
    /// is a device that does not publish its memory.
    pub(crate) fn set_lender(&self, array: &Array, lender: Lender) -> Result {
        let known = |id| {
            let mut providers = self.providers.iter();
            providers.any(|provider| provider.lends() && provider.dev().id() == id)
        };
        match lender {
            Lender::Only(id) if !known(id) => Err(ENODEV),
            _ => {
                array.set_wanted_lender(lender);
                Ok(())
            }
        }
    }

    /// Looks for providers anew, and asks for all distances again, if there is an
    /// array. Sleeps.
    pub(crate) fn providers_changed(&mut self) {
        if self.entries.is_empty() {
            return;
        }
        let Ok(providers) = Provider::all(&self.providers) else {
            // What was known stays. A page of a new provider is refused.
            ffi::look_for_providers();
            return;
        };
        self.providers = providers;
        for entry in &mut self.entries {
            entry.providers_changed(&self.providers);
        }
    }

    /// Gives everything back. Arrays may still be on their way out.
    pub(crate) fn forget(&mut self) {
        self.providers = KVec::new();
        for entry in &self.entries {
            entry.forget_providers();
        }
        self.entries = KVec::new();
    }

    /// Calls `f` with each reason for the state of an array.
    pub(crate) fn reasons<E>(
        &self,
        array: &Array,
        f: impl FnMut(Reason<'_>) -> core::result::Result<(), E>,
    ) -> core::result::Result<(), E> {
        let mut entries = self.entries.iter();
        entries
            .find(|entry| entry.is_of(array))
            .map_or(Ok(()), |entry| entry.reasons(&self.providers, f))
    }

    /// Calls `f` with each provider, in the order of their addresses.
    pub(crate) fn providers<E>(
        &self,
        f: impl FnMut(&Provider) -> core::result::Result<(), E>,
    ) -> core::result::Result<(), E> {
        self.providers
            .iter()
            .map(|provider| &**provider)
            .try_for_each(f)
    }

    /// Calls `f` with each provider and its distance from `member`, in the order of
    /// the providers.
    pub(crate) fn distances<E>(
        &self,
        array: &Array,
        member: MemberId,
        mut f: impl FnMut(&PciDev, Distance) -> core::result::Result<(), E>,
    ) -> core::result::Result<(), E> {
        let entry = self.entries.iter().find(|entry| entry.is_of(array));
        for (index, provider) in self.providers.iter().enumerate() {
            let distance = entry.and_then(|entry| entry.distance(member, index));
            f(provider.dev(), distance)?;
        }
        Ok(())
    }
}
