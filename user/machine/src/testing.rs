// SPDX-License-Identifier: GPL-2.0
//! Builds machines out of files, for tests.

use std::fs;
use std::path::Path;

use crate::block::device::BlockDevice;

/// Writes a file below `root`, and makes the folders above it.
///
/// # Panics
/// Panics if the file cannot be written.
pub fn put(root: &Path, path: &str, content: &str) {
    let path = root.join(path);
    let folder = path.parent().expect("a folder");
    fs::create_dir_all(folder).expect("its folder");
    fs::write(path, content).expect("a file");
}

/// Returns a drive without any special properties.
pub fn device(name: &str, number: &str) -> BlockDevice {
    BlockDevice {
        name: name.into(),
        node: format!("/dev/{name}").into(),
        number: number.into(),
        disk: None,
        partitions: Vec::new(),
        bytes: 1 << 30,
        model: String::new(),
        controllers: Vec::new(),
        read_only: false,
        has_integrity: false,
    }
}
