// SPDX-License-Identifier: GPL-2.0
//! Machines made of files, for tests.

use std::fs;
use std::path::Path;

/// Writes a file below `root`, and makes the folders above it.
///
/// # Panics
/// If it cannot be written.
pub fn put(root: &Path, path: &str, content: &str) {
    let path = root.join(path);
    let folder = path.parent().expect("a folder");
    fs::create_dir_all(folder).expect("its folder");
    fs::write(path, content).expect("a file");
}
