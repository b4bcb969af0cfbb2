// SPDX-License-Identifier: GPL-2.0

//! The providers of the machine.
//!
//! C header: `include/linux/pci-p2pdma.h`.

use kernel::{
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc,
    },
};

use crate::{
    decide::reach::Window,
    ffi::{self, PciDev, PeerPages},
};

/// `PCI_STD_NUM_BARS` of `include/uapi/linux/pci_regs.h`.
const BARS: u32 = 6;

/// A PCI device with peer pages, as it was when it was found last.
pub(crate) struct Provider {
    dev: PciDev,
    windows: KVec<Window>,
    lends: bool,
    taken: Arc<Atomic<u64>>,
}

impl Provider {
    /// Finds all providers, in the order of their addresses. If there is nothing new
    /// of one of `known`, returns that one. Sleeps.
    pub(crate) fn all(known: &[Arc<Provider>]) -> Result<KVec<Arc<Provider>>> {
        let mut providers = KVec::new();
        for dev in PciDev::all().filter(PciDev::has_p2pdma) {
            let known = known.iter().find(|provider| provider.dev == dev);
            if let Some(provider) = Self::find(dev, known)? {
                providers.push(provider, GFP_KERNEL)?;
            }
        }
        Ok(providers)
    }

    /// Asks a device whether it is a provider.
    fn find(dev: PciDev, known: Option<&Arc<Provider>>) -> Result<Option<Arc<Provider>>> {
        let mut windows = KVec::new();
        for bar in 0..BARS {
            let mut from = 0;
            while let Some((start, end)) = dev.p2pmem(bar, from) {
                windows.push(Window { start, end }, GFP_KERNEL)?;
                from = end + 1;
            }
        }
        let lends = dev.publishes() && dev.answers();
        match known {
            _ if windows.is_empty() => Ok(None),
            Some(known) if known.windows[..] == windows[..] && known.lends == lends => {
                Ok(Some(known.clone()))
            }
            _ => {
                let taken = match known {
                    Some(known) => known.taken.clone(),
                    None => Arc::new(Atomic::new(0), GFP_KERNEL)?,
                };
                let provider = Provider {
                    dev,
                    windows,
                    lends,
                    taken,
                };
                Ok(Some(Arc::new(provider, GFP_KERNEL)?))
            }
        }
    }

    /// Returns the device, to ask for its name and distances.
    pub(crate) fn dev(&self) -> &PciDev {
        &self.dev
    }

    /// Returns where its peer pages are.
    pub(crate) fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// Tells whether it publishes its memory, and answered when it was asked last.
    pub(crate) fn lends(&self) -> bool {
        self.lends
    }

    /// Takes peer pages for a rebuild. Returns `None` if there is no room, or if
    /// rebuilds may have no more. Does not sleep.
    pub(crate) fn borrow_pages(&self, count: usize) -> Option<Borrowed> {
        let size_of = |window: &Window| window.end - window.start + 1;
        let size: u64 = self.windows.iter().map(size_of).sum();
        let share = size / 100 * u64::from(ffi::rebuild_share());
        let bytes = (count * kernel::page::PAGE_SIZE) as u64;
        let taken = Taken::new(self.taken.clone(), bytes, share)?;
        let pages = PeerPages::alloc(&self.dev, self.windows.first()?.start, count)?;
        Some(Borrowed {
            pages,
            _taken: taken,
        })
    }
}

/// Bytes that count against the share of rebuilds, until this value goes.
struct Taken {
    of: Arc<Atomic<u64>>,
    bytes: u64,
}

impl Taken {
    fn new(of: Arc<Atomic<u64>>, bytes: u64, share: u64) -> Option<Self> {
        let before = of.fetch_add(bytes, Relaxed);
        let taken = Self { of, bytes };
        (before + bytes <= share).then_some(taken)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.of.fetch_sub(self.bytes, Relaxed);
    }
}

/// Peer pages, and their part of the share of rebuilds. May be dropped anywhere.
pub(crate) struct Borrowed {
    /// The pages. They go first, and then the count of them.
    pub(crate) pages: PeerPages,
    _taken: Taken,
}
