// SPDX-License-Identifier: GPL-2.0
//! Reads what several checks look at.
//!
//! Tests: tests/doctor.rs.

use std::collections::BTreeSet;

use anyhow::Result;
use mdp2p_machine::kernel::modules::{self, Installed, Loaded};
use mdp2p_machine::kernel::release;
use mdp2p_machine::md::array::{self, Array};
use mdp2p_machine::md::reach::Known;
use mdp2p_machine::pci::advice;
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::config::{Acs, Kind};
use mdp2p_machine::pci::devices::{Device, Devices};
use mdp2p_machine::pci::reach::Reach;
use mdp2p_machine::sysroot::Sysroot;
use mdp2p_machine::virtual_machine;

/// What several checks look at. A check reads the rest itself.
pub struct Survey<'a> {
    /// The machine.
    pub sysroot: &'a Sysroot,
    /// All PCI devices.
    pub devices: Devices,
    /// All arrays.
    pub arrays: Vec<Array>,
    /// The modules of md-p2p that are installed for the running kernel.
    pub installed: Vec<Installed>,
    /// The modules of md-p2p that are loaded.
    pub loaded: Vec<Loaded>,
    /// The words of the kernel's command line.
    pub parameters: Vec<String>,
    /// The flags of the processor.
    pub flags: BTreeSet<String>,
}

impl<'a> Survey<'a> {
    /// Reads everything.
    ///
    /// # Errors
    /// If a file cannot be read or understood; the error names the file.
    pub fn read(sysroot: &'a Sysroot) -> Result<Self> {
        let parameters = sysroot.tolerate(sysroot.read_if("proc/cmdline"))?.flatten();
        let parameters = parameters.unwrap_or_default();
        let processor = sysroot
            .tolerate(sysroot.lines_if("proc/cpuinfo"))?
            .flatten();
        let processor = processor.unwrap_or_default();
        let flags = processor
            .lines()
            .find_map(|line| line.strip_prefix("flags")?.split_once(':'))
            .map_or("", |(_, flags)| flags);
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        Ok(Self {
            sysroot,
            devices: Devices::read(sysroot)?,
            arrays: array::all(sysroot)?,
            // Without a release, each check that needs one says so.
            installed: match release::running(sysroot) {
                Ok(release) => modules::installed(sysroot, &release)?,
                Err(_) => Vec::new(),
            },
            loaded: sysroot
                .tolerate(modules::loaded(sysroot))?
                .unwrap_or_default(),
            parameters: words(&parameters),
            flags: flags.split_whitespace().map(str::to_owned).collect(),
        })
    }

    /// Returns the release of the running kernel.
    ///
    /// # Errors
    /// If the machine does not say it.
    pub fn release(&self) -> Result<String> {
        self.sysroot.needs(&["proc/sys/kernel/osrelease"])?;
        release::running(self.sysroot)
    }

    /// Returns the values of a parameter on the kernel's command line.
    pub fn parameter_values(&self, name: &str) -> Vec<&str> {
        // The kernel does not distinguish - and _.
        self.parameters
            .iter()
            .filter_map(|word| word.split_once('='))
            .filter(|(key, _)| key.replace('-', "_") == name)
            .map(|(_, value)| value)
            .collect()
    }

    /// Whether a word is on the kernel's command line.
    pub fn has_parameter(&self, word: &str) -> bool {
        self.parameters.iter().any(|it| it == word)
    }

    /// Returns the devices with memory that could matter: drives, GPUs, and all with p2pmem.
    pub fn with_memory(&self) -> impl Iterator<Item = &Device> {
        self.devices.iter().filter(|device| {
            matches!(device.kind, Kind::Nvme | Kind::Gpu) || device.p2pmem.is_some()
        })
    }

    /// Whether the machine is virtual.
    pub fn is_virtual(&self) -> bool {
        virtual_machine::vendor(self.sysroot).is_some()
    }

    /// Returns what is known of reach.
    pub fn known(&self) -> Known<'_> {
        Known::of(self.sysroot, &self.devices, &self.arrays)
    }

    /// Returns how each drive reaches each provider other than itself. The drives are NVMe's, and all
    /// other controllers of members.
    pub fn pairs(&self, known: &Known) -> Vec<Pair> {
        let is_drive = |it: &&Device| it.kind == Kind::Nvme || known.is_controller(it.address);
        let drives: Vec<Bdf> = self
            .devices
            .iter()
            .filter(is_drive)
            .map(|it| it.address)
            .collect();
        let mut pairs = Vec::new();
        for provider in self.devices.providers().map(|it| it.address) {
            for &client in drives.iter().filter(|it| **it != provider) {
                let reach = known.reach(provider, client);
                pairs.push(Pair {
                    provider,
                    client,
                    reach,
                });
            }
        }
        pairs
    }

    /// Begins a sentence about what only root can read: `… whether ports redirect`.
    pub fn hidden(&self) -> &'static str {
        match self.sysroot.is_here() {
            true => "only root can see",
            false => "it was not captured",
        }
    }

    /// Says what to do about what only root can read.
    pub fn as_root(&self) -> &'static str {
        match self.sysroot.is_here() {
            true => "sudo mdp2p doctor",
            false => advice::CAPTURE,
        }
    }

    /// Whether the config space of a bridge could not be read, so that its ACS is unknown.
    pub fn hides_config_space(&self) -> bool {
        let bridge = |it: &Device| it.is_bridge() && it.acs == Acs::Unknown;
        self.devices.iter().any(bridge)
    }
}

/// A provider, and how one drive reaches it.
pub struct Pair {
    /// The provider.
    pub provider: Bdf,
    /// The drive.
    pub client: Bdf,
    /// How the drive reaches it.
    pub reach: Reach,
}
