// SPDX-License-Identifier: GPL-2.0
//! Memory for DMA: host memory, or the memory of a PCI device (p2pmem). Only this file and `raw.rs`
//! have raw pointers.

use std::ffi::c_void;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::slice;
use std::str::FromStr;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use serde::{Serialize, Serializer};

use crate::pattern::{MARK, marks};
use crate::raw::{self, Access};
use mdp2p_machine::pci::bdf::Bdf;

/// Bytes of a page.
pub const PAGE: usize = 4096;

/// Whose memory it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// The memory of this machine.
    Host,
    /// The memory of a PCI device.
    Peer(Bdf),
}

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "host" => Ok(Memory::Host),
            bdf => bdf
                .parse()
                .map(Memory::Peer)
                .map_err(|what| format!("memory is `host` or a PCI address; {what}")),
        }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Memory::Host => write!(f, "host memory"),
            Memory::Peer(bdf) => write!(f, "peer memory of {bdf}"),
        }
    }
}

impl Serialize for Memory {
    /// Writes `host` or the PCI address.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Memory::Host => serializer.serialize_str("host"),
            Memory::Peer(bdf) => serializer.collect_str(bdf),
        }
    }
}

impl Memory {
    /// Returns why a device has no memory to lend, or `None` if it has. `sysfs` is where sysfs is
    /// mounted.
    pub fn missing(&self, sysfs: &Path) -> Option<String> {
        let Memory::Peer(bdf) = self else {
            return None;
        };
        if !device(sysfs, *bdf).exists() {
            Some(format!("there is no PCI device {bdf}"))
        } else if !device(sysfs, *bdf).join("p2pmem").exists() {
            Some(format!(
                "{bdf} has no peer memory (there is no p2pmem in sysfs)"
            ))
        } else {
            None
        }
    }
}

fn device(sysfs: &Path, bdf: Bdf) -> PathBuf {
    sysfs.join("bus/pci/devices").join(bdf.to_string())
}

/// A buffer for I/O.
///
/// Peer memory is uncached, and in a virtual machine each access to it traps. So only whole words
/// are read or written here, and as few of them as possible.
#[derive(Debug)]
pub struct Buffer {
    /// Mapped for reading and writing, page-aligned, owned by this value alone.
    start: NonNull<u8>,
    length: usize,
    /// `put`, `get` and I/O begin at this byte.
    first: usize,
}

// SAFETY: the mapping is owned, and all access is through `&self` or `&mut self`.
unsafe impl Send for Buffer {}

impl Buffer {
    /// Allocates `length` bytes of `memory`.
    pub fn new(memory: Memory, length: usize, sysfs: &Path) -> Result<Self> {
        let mapped = length.next_multiple_of(PAGE);
        let pages = NonZeroUsize::new(mapped).context("a buffer of no bytes")?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let start = match memory {
            // SAFETY: a mapping at a place of the kernel's choice.
            Memory::Host => unsafe {
                mmap_anonymous(None, pages, access, MapFlags::MAP_PRIVATE)
                    .with_context(|| format!("mapping {mapped} bytes of host memory"))?
            },
            Memory::Peer(bdf) => {
                let pool = device(sysfs, bdf).join("p2pmem");
                let allocate = pool.join("allocate");
                let file = OpenOptions::new()
                    .read(true)
                    .write(true)
                    .open(&allocate)
                    .with_context(|| format!("opening {}", allocate.display()))?;
                // SAFETY: as above. Others touch these pages only by DMA, at our own request.
                unsafe { mmap(None, pages, access, MapFlags::MAP_SHARED, &file, 0) }
                    .map_err(|errno| allocation_error(errno, &pool, mapped, bdf))?
            }
        };
        Ok(Self {
            start: start.cast(),
            length,
            first: 0,
        })
    }

    /// Makes the buffer begin at its `byte`th byte, which must be the first of a word.
    pub fn begin_at(&mut self, byte: usize) {
        assert!(byte % 8 == 0);
        self.first = byte;
    }

    /// Writes `data` to the beginning of the buffer.
    pub fn put(&mut self, data: &[u8]) {
        for (place, word) in self.words(data.len()).zip(data.chunks_exact(8)) {
            let word = word.first_chunk().copied().unwrap_or_default();
            // SAFETY: `words()` yields places within the mapping.
            unsafe { place.write_volatile(u64::from_ne_bytes(word)) };
        }
    }

    /// Reads the beginning of the buffer into `data`.
    pub fn get(&self, data: &mut [u8]) {
        for (place, word) in self.words(data.len()).zip(data.chunks_exact_mut(8)) {
            // SAFETY: `words()` yields places within the mapping.
            word.copy_from_slice(&unsafe { place.read_volatile() }.to_ne_bytes());
        }
    }

    /// Copies the first `length` bytes.
    pub fn to_vec(&self, length: usize) -> Vec<u8> {
        let mut data = vec![0; length];
        self.get(&mut data);
        data
    }

    /// Marks the first `length` bytes, so that a read that does not overwrite them is noticed.
    pub fn mark(&mut self, length: usize) {
        let start = self.place(length);
        for at in marks(length) {
            // SAFETY: within the mapping, and aligned as `marks()` are.
            unsafe { start.add(at).cast::<u64>().write_volatile(MARK) };
        }
    }

    /// Has the CPU access the whole pages from where the buffer begins, and returns their bytes. Stores
    /// leave zeros.
    pub fn access(&mut self, access: Access, width: usize) -> usize {
        let length = (self.length - self.first) / PAGE * PAGE;
        let start = self.place(length).as_ptr();
        assert!(length > 0 && self.first % PAGE == 0);
        // SAFETY: mapped and ours alone; whole pages are multiples of each width.
        unsafe { raw::sweep(access, width, start, start.add(length)) };
        length
    }

    /// Reads `length` bytes at `offset` of `file` into the buffer, and returns how many came.
    pub fn read_at(&mut self, file: &File, offset: u64, length: usize) -> io::Result<usize> {
        // SAFETY: mapped and ours alone, and only the kernel uses the slice, during this call.
        let slice = unsafe { slice::from_raw_parts_mut(self.place(length).as_ptr(), length) };
        file.read_at(slice, offset)
    }

    /// Writes the first `length` bytes of the buffer at `offset` of `file`, and returns how many
    /// went.
    pub fn write_at(&self, file: &File, offset: u64, length: usize) -> io::Result<usize> {
        // SAFETY: as in `read_at`.
        let slice = unsafe { slice::from_raw_parts(self.place(length).as_ptr(), length) };
        file.write_at(slice, offset)
    }

    /// Returns where `length` bytes begin, all of which lie within the buffer.
    fn place(&self, length: usize) -> NonNull<u8> {
        assert!(self.first + length <= self.length);
        // SAFETY: stays within the mapping.
        unsafe { self.start.add(self.first) }
    }

    fn words(&self, length: usize) -> impl Iterator<Item = NonNull<u64>> + use<> {
        assert!(length % 8 == 0);
        let start = self.place(length).cast::<u64>();
        // SAFETY: within what `place()` allows, and aligned because `place()` is.
        (0..length / 8).map(move |word| unsafe { start.add(word) })
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mapped = self.length.next_multiple_of(PAGE);
        // SAFETY: mapped in `new` with this length, and never used again.
        let unmapped = unsafe { munmap(self.start.cast::<c_void>(), mapped) };
        debug_assert_eq!(unmapped, Ok(()));
    }
}

fn allocation_error(errno: Errno, pool: &Path, wanted: usize, bdf: Bdf) -> anyhow::Error {
    let available = fs::read_to_string(pool.join("available")).unwrap_or_default();
    anyhow::Error::new(errno).context(format!(
        "mapping {wanted} bytes of the peer memory of {bdf}, of which {} are available",
        available.trim()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_gives_back_what_was_put() {
        let mut buffer = Buffer::new(Memory::Host, 1536, Path::new("/sys")).expect("host memory");
        let data: Vec<u8> = (0..1536).map(|byte| byte as u8).collect();
        buffer.put(&data);
        let mut back = vec![0; 1536];
        buffer.get(&mut back);
        assert_eq!(back, data);
        buffer.mark(512);
        buffer.get(&mut back);
        assert_eq!(back[8..16], MARK.to_le_bytes());
        assert_eq!(back[504..512], MARK.to_le_bytes());
        assert_eq!(back[512..], data[512..]);

        buffer.begin_at(512);
        buffer.put(&[1; 512]);
        assert_eq!(buffer.to_vec(1024)[..512], [1; 512]);
        assert_eq!(buffer.to_vec(1024)[512..], data[1024..]);
        buffer.begin_at(0);
        assert_eq!(buffer.to_vec(1536)[..512], back[..512]);
    }

    #[test]
    fn each_width_reaches_all_of_a_buffer_and_nothing_else() {
        for width in raw::widths() {
            let mut buffer = Buffer::new(Memory::Host, 8192, Path::new("/sys")).expect("memory");
            buffer.put(&[7; 8192]);
            assert_eq!(buffer.access(Access::Load, width), 8192);
            assert_eq!(buffer.to_vec(8192), [7; 8192], "{width}");
            buffer.begin_at(4096);
            assert_eq!(buffer.access(Access::Store, width), 4096);
            assert_eq!(buffer.to_vec(4096), [0; 4096], "{width}");
            buffer.begin_at(0);
            assert_eq!(buffer.to_vec(4096), [7; 4096], "{width}");
        }
    }

    #[test]
    fn exhausted_memory_is_told_apart_from_other_errors() {
        let address = "0000:01:00.0".parse().expect("an address");
        let error = allocation_error(Errno::ENOMEM, Path::new("/nowhere"), 4096, address);
        assert_eq!(error.root_cause().downcast_ref(), Some(&Errno::ENOMEM));
        let error = format!("{error:#}");
        assert!(error.starts_with("mapping 4096 bytes of the peer memory of 0000:01:00.0"));
        assert!(error.contains("ENOMEM"), "{error}");
    }

    #[test]
    #[should_panic]
    fn a_buffer_ends_where_it_ends() {
        let mut buffer = Buffer::new(Memory::Host, 1024, Path::new("/sys")).expect("host memory");
        buffer.begin_at(512);
        buffer.mark(1024);
    }
}
