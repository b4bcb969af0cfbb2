// SPDX-License-Identifier: GPL-2.0
//! Tells the kernel about partition 1 of a disk, which is in no table.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc::{c_int, c_longlong, c_void};

use crate::wait::until;

/// `struct blkpg_partition` of `linux/blkpg.h`.
#[repr(C)]
struct Partition {
    start: c_longlong,
    length: c_longlong,
    number: c_int,
    names: [u8; 128],
}

/// `struct blkpg_ioctl_arg` of `linux/blkpg.h`.
#[repr(C)]
struct Arguments {
    operation: c_int,
    flags: c_int,
    length: c_int,
    partition: *const c_void,
}

mod raw {
    nix::ioctl_write_ptr_bad!(
        /// `BLKPG`.
        blkpg,
        nix::request_code_none!(0x12, 105),
        super::Arguments
    );
}

/// Makes partition 1: `length` bytes from `start` on.
pub fn add(disk: &Path, start: u64, length: u64) -> Result<()> {
    tell(disk, 1, start, length)
}

/// Makes the kernel forget partition 1, as soon as nobody has it open: udev looks into what is new.
pub fn remove(disk: &Path) -> Result<()> {
    until(|| match tell(disk, 2, 0, 0) {
        Err(error) if error.downcast_ref() == Some(&Errno::EBUSY) => Ok(false),
        done => done.map(|()| true),
    })
}

fn tell(disk: &Path, operation: c_int, start: u64, length: u64) -> Result<()> {
    use std::os::fd::AsRawFd;

    let partition = Partition {
        start: start as c_longlong,
        length: length as c_longlong,
        number: 1,
        names: [0; 128],
    };
    let arguments = Arguments {
        operation,
        flags: 0,
        length: size_of::<Partition>() as c_int,
        partition: (&raw const partition).cast(),
    };
    let file = File::open(disk)?;
    // SAFETY: both structs are the kernel's, and outlive the call.
    unsafe { raw::blkpg(file.as_raw_fd(), &raw const arguments) }
        .with_context(|| format!("partition 1 of {}", disk.display()))?;
    Ok(())
}
