// SPDX-License-Identifier: GPL-2.0
//! Waits in a guest. A slow kernel gets more time.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

/// Returns how many times longer than other kernels this one may take.
pub fn patience() -> u32 {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    if release.trim().ends_with("-debug") {
        6
    } else {
        1
    }
}

/// Waits until `is_so`, or fails after some time.
pub fn until(is_so: impl Fn() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    let limit = patience() * Duration::from_secs(10);
    while !is_so()? {
        ensure!(began.elapsed() < limit, "not so after {limit:?}");
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
