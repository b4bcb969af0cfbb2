// SPDX-License-Identifier: GPL-2.0

//! The providers of the machine.
//!
//! C header: `include/linux/pci-p2pdma.h`.

use kernel::prelude::*;

use crate::{ffi::PciDev, reach::Window};

/// `PCI_STD_NUM_BARS` of `include/uapi/linux/pci_regs.h`.
const BARS: u32 = 6;

/// A PCI device that publishes p2pmem.
pub(crate) struct Provider(PciDev);

impl Provider {
    /// All of this moment, in the order of their addresses. Sleeps.
    pub(crate) fn all() -> Result<KVec<Provider>> {
        let mut providers = KVec::new();
        for dev in PciDev::all().filter(PciDev::is_provider) {
            providers.push(Provider(dev), GFP_KERNEL)?;
        }
        Ok(providers)
    }

    /// The device, to ask for its name and distances.
    pub(crate) fn dev(&self) -> &PciDev {
        &self.0
    }

    /// Where its memory can be. p2pmem is part of a BAR, and no page of
    /// another device's lies in it, so whole BARs do.
    pub(crate) fn windows(&self) -> impl Iterator<Item = Window> + '_ {
        (0..BARS)
            .filter_map(|bar| self.0.window(bar))
            .map(|(start, end)| Window { start, end })
    }
}
