// SPDX-License-Identifier: GPL-2.0
//! Reads QEMU's trace. It tells how many bytes the DMA of NVMe drives moved to and from host memory
//! and controller memory, and how many bytes of controller memory the guest's CPUs touched.

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

/// The trace events in which QEMU tells each access to a device's memory. There are very many.
pub const ACCESSES: [&str; 2] = ["memory_region_ops_read", "memory_region_ops_write"];

/// Bytes of controller memory that the guest's CPUs touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// By loads.
    pub read: u64,
    /// By stores.
    pub write: u64,
}

impl Cpu {
    /// Adds up the bytes in a `trace`. `peers` are the addresses of controller memory.
    pub fn of(trace: &str, peers: &[Range<u64>]) -> Self {
        let bytes = |event| {
            let accesses = trace.lines().filter_map(|line| parse_access(line, event));
            let of_cpus = accesses.filter(|(address, _)| peers.iter().any(|p| p.contains(address)));
            of_cpus.map(|(_, length)| length).sum()
        };
        let [read, write] = ACCESSES;
        Self {
            read: bytes(read),
            write: bytes(write),
        }
    }
}

/// Returns the address and length of a CPU's access from a line like `memory_region_ops_read cpu 0
/// mr 0x55d0 addr 0xfe001000 value 0x1 size 8 name 'nvme-cmb'`. A device's access has cpu -1.
fn parse_access(line: &str, event: &str) -> Option<(u64, u64)> {
    let (_, values) = line.split_once(&format!("{event} "))?;
    let words: Vec<&str> = values.split_whitespace().collect();
    let [
        "cpu",
        cpu,
        "mr",
        _,
        "addr",
        address,
        "value",
        _,
        "size",
        size,
        ..,
    ] = words[..]
    else {
        return None;
    };
    let address = u64::from_str_radix(address.strip_prefix("0x")?, 16).ok()?;
    cpu.parse::<u32>().ok()?;
    Some((address, size.parse().ok()?))
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
    fn only_what_cpus_do_with_the_right_memory_counts() {
        let trace = "\
memory_region_ops_read cpu 0 mr 0x55d0 addr 0xfe000000 value 0x1 size 8 name 'nvme-cmb'
12@1763720000.123456:memory_region_ops_read cpu 1 mr 0x55d0 addr 0xfe000008 value 0x1 size 2 name 'nvme-cmb'
memory_region_ops_write cpu 1 mr 0x55d0 addr 0xfeffffff value 0x1 size 1 name 'nvme-cmb'
memory_region_ops_read cpu -1 mr 0x55d0 addr 0xfe000000 value 0x1 size 8 name 'nvme-cmb'
memory_region_ops_write cpu -1 mr 0x55d0 addr 0xfe000000 value 0x1 size 8 name 'nvme-cmb'
memory_region_ops_write cpu 0 mr 0x55d0 addr 0x3f8 value 0x20 size 1 name 'serial'
memory_region_ops_read cpu 0 mr 0x55d0 addr 0xff000000 value 0x1 size 4 name 'nvme-cmb'
memory_region_ops_read cpu 0 mr 0x55d0 addr 0xfe0000";
        let peer = 0xfe00_0000..0xff00_0000;
        assert_eq!(
            Cpu::of(trace, std::slice::from_ref(&peer)),
            Cpu { read: 10, write: 1 }
        );
        assert_eq!(Cpu::of(trace, &[]), Cpu::default());
    }

    #[test]
    fn without_controller_memory_all_is_host_memory() {
        assert_eq!(Dma::of(TRACE, &[]).peer, 0);
    }
}
