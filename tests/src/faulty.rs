// SPDX-License-Identifier: GPL-2.0
//! The devices of `faulty.ko` in a guest, the provider's memory, and free peer memory.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use mdp2p_io::pattern::SECTOR;
use mdp2p_machine::pci::bdf::Bdf;
use nix::fcntl::{FallocateFlags, fallocate};

use crate::sysfs::attr;

/// Returns the path of a device.
pub fn path(device: usize) -> String {
    format!("/dev/faulty{device}")
}

/// Returns the folder of a device in sysfs.
pub fn folder(device: usize) -> String {
    format!("/sys/block/faulty{device}")
}

/// Returns the size of a device in bytes.
pub fn size(device: usize) -> Result<u64> {
    Ok(attr("size", &folder(device))?.parse::<u64>()? * SECTOR as u64)
}

/// Fills a device with zeros, which no level has to bring in sync.
pub fn wipe(device: usize) -> Result<()> {
    let path = path(device);
    let file = OpenOptions::new().write(true).open(&path)?;
    let zeros = FallocateFlags::FALLOC_FL_ZERO_RANGE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    let length = i64::try_from(size(device)?)?;
    fallocate(&file, zeros, 0, length).with_context(|| format!("wiping {path}"))
}

/// Arms a device with a fault, in the words of `faulty.c`.
pub fn arm(device: usize, fault: &str) -> Result<()> {
    tell(device, "fault", fault)
}

/// Sets what `faulty.c` calls the supply of a device: `off`, `kept` or `lost`.
pub fn power(device: usize, state: &str) -> Result<()> {
    tell(device, "supply", state)
}

fn tell(device: usize, name: &str, words: &str) -> Result<()> {
    let path = format!("{}/{name}", folder(device));
    fs::write(&path, words).with_context(|| format!("writing {words} to {path}"))
}

/// Returns how many I/Os have met the fault of the device since it was armed.
pub fn hits(device: usize) -> Result<u64> {
    Ok(attr("hits", &folder(device))?.parse()?)
}

/// The memory of a provider, which can be turned off and on.
#[derive(Debug)]
pub struct Provider {
    config: File,
    /// The first value of the PCI command register.
    command: [u8; 2],
}

impl Provider {
    /// Opens the device at this address. Its memory is on now.
    pub fn new(address: Bdf) -> Result<Self> {
        let path = PathBuf::from(format!("/sys/bus/pci/devices/{address}/config"));
        let config = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .with_context(|| path.display().to_string())?;
        let mut command = [0; 2];
        config.read_exact_at(&mut command, 4)?;
        Ok(Self { config, command })
    }

    /// Turns memory decoding off, and nothing else, so that nothing answers at its addresses.
    pub fn go(&self) -> Result<()> {
        self.set([self.command[0] & !2, self.command[1]])
    }

    /// Turns memory decoding on again.
    pub fn come(&self) -> Result<()> {
        self.set(self.command)
    }

    fn set(&self, command: [u8; 2]) -> Result<()> {
        Ok(self.config.write_all_at(&command, 4)?)
    }
}

/// Returns the free peer memory of each provider.
pub fn pools() -> Result<Vec<String>> {
    let mut pools = Vec::new();
    for device in fs::read_dir("/sys/bus/pci/devices")? {
        let device = device?;
        let available = device.path().join("p2pmem/available");
        if let Ok(bytes) = fs::read_to_string(available) {
            pools.push(format!(
                "{}: {}",
                device.file_name().to_string_lossy(),
                bytes.trim()
            ));
        }
    }
    pools.sort();
    Ok(pools)
}
