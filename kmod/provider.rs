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
    decide::{pause::Pause, reach::Window},
    ffi::{self, Engine, PciDev, PeerPages, RcuBox},
};

/// `PCI_STD_NUM_BARS` of `include/uapi/linux/pci_regs.h`.
const BARS: u32 = 6;

/// A PCI device with peer pages, as it was when it was found last.
pub(crate) struct Provider {
    dev: PciDev,
    windows: KVec<Window>,
    lends: bool,
    usage: Arc<Usage>,
}

/// What stays if a provider is found anew, or changes while it stays the same.
struct Usage {
    /// Copies what is staged from or to its memory. Empty: the CPU does.
    engine: RcuBox<Engine>,
    /// Bytes that rebuilds have taken.
    taken: Atomic<u64>,
    /// A [`Pause`]: when the engine may be tried.
    engine_pause: Atomic<u64>,
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
        if windows.is_empty() {
            return Ok(None);
        }
        let lends = dev.publishes() && dev.answers();
        let provider = match known {
            Some(known) if known.windows[..] == windows[..] && known.lends == lends => {
                known.clone()
            }
            _ => {
                let usage = match known {
                    Some(known) => known.usage.clone(),
                    None => Arc::new(Usage::none(), GFP_KERNEL)?,
                };
                let provider = Provider {
                    dev,
                    windows,
                    lends,
                    usage,
                };
                Arc::new(provider, GFP_KERNEL)?
            }
        };
        provider.look_for_engine();
        Ok(Some(provider))
    }

    /// Keeps the engine that it has, if that still serves it, or looks for one. If
    /// there is no memory to keep one, the CPU copies. Sleeps.
    fn look_for_engine(&self) {
        let engine = self.usage.engine.read(|engine| engine.cloned());
        if engine.is_some_and(|engine| engine.serves(&self.dev)) {
            return;
        }
        self.usage.engine.replace(None);
        let found = Engine::find(&self.dev).map(|engine| KBox::new(engine, GFP_KERNEL));
        self.usage.engine.replace(found.and_then(Result::ok));
    }

    /// Returns the engine that is to copy now; `None` if the CPU is. Does not sleep.
    pub(crate) fn engine(&self, now: u64) -> Option<Engine> {
        let is_tried = self.engine_pause().is_over(now);
        self.usage.engine.read(|engine| {
            engine
                .filter(|engine| is_tried && engine.is_there())
                .cloned()
        })
    }

    /// Tells whether it has none, and so another look is worth it. Does not sleep.
    pub(crate) fn lacks_engine(&self) -> bool {
        self.usage.engine.read(|engine| engine.is_none())
    }

    fn engine_pause(&self) -> Pause {
        Pause::from_bits(self.usage.engine_pause.load(Relaxed))
    }

    /// The engine has copied, or has failed and is left alone for a while. Does not
    /// sleep.
    pub(crate) fn engine_tried(&self, copied: bool, now: u64) {
        let pause = match copied {
            true => self.engine_pause().worked(now),
            false => self.engine_pause().failed(now),
        };
        if let Some(pause) = pause {
            self.usage.engine_pause.store(pause.to_bits(), Relaxed);
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
        let taken = Taken::new(self.usage.clone(), bytes, share)?;
        let pages = PeerPages::alloc(&self.dev, self.windows.first()?.start, count)?;
        Some(Borrowed {
            pages,
            _taken: taken,
        })
    }
}

impl Usage {
    fn none() -> Self {
        Self {
            engine: RcuBox::empty(),
            taken: Atomic::new(0),
            engine_pause: Atomic::new(Pause::NONE.to_bits()),
        }
    }
}

/// Bytes that count against the share of rebuilds, until this value goes.
struct Taken {
    of: Arc<Usage>,
    bytes: u64,
}

impl Taken {
    fn new(of: Arc<Usage>, bytes: u64, share: u64) -> Option<Self> {
        let before = of.taken.fetch_add(bytes, Relaxed);
        let taken = Self { of, bytes };
        (before + bytes <= share).then_some(taken)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.of.taken.fetch_sub(self.bytes, Relaxed);
    }
}

/// Peer pages, and their part of the share of rebuilds. May be dropped anywhere.
pub(crate) struct Borrowed {
    /// The pages. They go first, and then the count of them.
    pub(crate) pages: PeerPages,
    _taken: Taken,
}
