// SPDX-License-Identifier: GPL-2.0
//! Reads QEMU's trace of the DMA of its NVMe drives: how many bytes went to or came from host
//! memory, and how many a drive's controller memory.

use std::ops::Range;

/// The trace event in which an NVMe drive tells an address and a length.
pub const DMA: &str = "pci_nvme_map_addr";

/// Bytes by the memory that they were in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dma {
    /// In host memory.
    pub ram: u64,
    /// In the controller memory of some drive.
    pub peer: u64,
}

impl Dma {
    /// Adds up the bytes in a `trace`. `peers` are the addresses of controller memory.
    pub fn of(trace: &str, peers: &[Range<u64>]) -> Self {
        let mut dma = Self::default();
        for (address, length) in trace.lines().filter_map(parse) {
            if peers.iter().any(|peer| peer.contains(&address)) {
                dma.peer += length;
            } else {
                dma.ram += length;
            }
        }
        dma
    }
}

/// Returns the address and length in a line like `pci_nvme_map_addr addr 0xfe001000 len 4096`,
/// whatever comes before this in the line.
fn parse(line: &str) -> Option<(u64, u64)> {
    let (_, values) = line.split_once(&format!("{DMA} "))?;
    let mut words = values.split_whitespace();
    let address = words.nth(1)?.strip_prefix("0x")?;
    let length = words.nth(1)?;
    Some((u64::from_str_radix(address, 16).ok()?, length.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "\
pci_nvme_map_addr addr 0x1000 len 4096
123@1763720000.123456:pci_nvme_map_addr addr 0xfe000000 len 8192
pci_nvme_map_addr_cmb addr 0xfe000000 len 4096
pci_nvme_map_addr addr 0xfeffffff len 1
pci_nvme_map_addr addr 0xff000000 len 512
pci_nvme_read cid 1 nsid 1 nlb 8 count 4096 lba 0x0
pci_nvme_map_addr addr 0x10";

    #[test]
    fn bytes_are_told_apart_by_address() {
        let peer = 0xfe00_0000..0xff00_0000;
        assert_eq!(
            Dma::of(TRACE, &[peer]),
            Dma {
                ram: 4096 + 512,
                peer: 8192 + 1
            }
        );
    }

    #[test]
    fn without_controller_memory_all_is_host_memory() {
        assert_eq!(Dma::of(TRACE, &[]).peer, 0);
    }
}
