// SPDX-License-Identifier: GPL-2.0
//! Trees captured from virtual machines (`tests/trees`), planted in folders.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;

/// A folder with what `tests/trees/NAME.tree` was captured from. `trees/capture.sh` makes
/// these files.
pub fn plant(name: &str) -> TempDir {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/trees/{name}.tree"));
    let text =
        fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let root = tempfile::tempdir().expect("a folder");
    let mut links = Vec::new();
    for line in text.lines() {
        let mut words = line.splitn(3, ' ');
        let [Some(kind), Some(path), Some(what)] = [words.next(), words.next(), words.next()]
        else {
            panic!("{name}: {line}");
        };
        match kind {
            "l" => links.push((path, what)),
            "x" => put(root.path(), path, unhex(what)),
            _ => put(
                root.path(),
                path,
                serde_json::from_str::<String>(what).expect(line),
            ),
        }
    }
    // A link of a class leads to a folder, and another link may lie in there.
    links.sort_by_key(|(path, _)| path.matches('/').count());
    for (path, target) in links {
        let path = root.path().join(path);
        let folder = path.parent().expect("a folder");
        // Itself perhaps a link, to a folder in which no file was captured.
        let real = fs::read_link(folder).map_or(folder.to_owned(), |target| {
            folder.parent().expect("a folder").join(target)
        });
        fs::create_dir_all(real).expect("its folder");
        if fs::symlink_metadata(&path).is_err() {
            symlink(target, &path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }
    root
}

/// Writes a file below `root`, and makes the folders above it.
pub fn put(root: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("a folder")).expect("its folder");
    fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Bytes from how many they are, and those up to the last that is not zero.
fn unhex(text: &str) -> Vec<u8> {
    let (length, digits) = text.split_once(' ').expect("a length, and bytes");
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect(text);
    let mut bytes: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect();
    bytes.resize(length.parse().expect("a length"), 0);
    bytes
}
