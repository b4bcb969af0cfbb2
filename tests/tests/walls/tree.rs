// SPDX-License-Identifier: GPL-2.0
//! The text files that walls are about.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Where there is code of ours, and what is none of it.
const FOLDERS: &[&str] = &["include", "kmod", "qemu", "tests", "user"];
const LEFT_OUT: &str = "target";

/// The files with these names are read.
const ENDS: &[&str] = &[".c", ".h", ".rs", "Cargo.toml"];

/// Texts of files, by their paths from the root of the repository.
pub struct Tree(BTreeMap<String, String>);

impl Tree {
    /// Reads the tree at `root`.
    pub fn read(root: &Path) -> Result<Self> {
        let mut tree = Self(BTreeMap::new());
        tree.add_file(root, "Cargo.toml")?;
        for folder in FOLDERS {
            tree.add_folder(root, folder)?;
        }
        Ok(tree)
    }

    /// Makes a tree of paths and texts.
    pub fn of(files: &[(&str, &str)]) -> Self {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        Self(files.iter().map(owned).collect())
    }

    fn add_folder(&mut self, root: &Path, folder: &str) -> Result<()> {
        for entry in fs::read_dir(root.join(folder)).with_context(|| folder.to_owned())? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{folder}/{name}");
            if entry.file_type()?.is_dir() {
                if name != LEFT_OUT {
                    self.add_folder(root, &path)?;
                }
            } else if ENDS.iter().any(|end| name.ends_with(end)) {
                self.add_file(root, &path)?;
            }
        }
        Ok(())
    }

    fn add_file(&mut self, root: &Path, path: &str) -> Result<()> {
        let text = fs::read_to_string(root.join(path)).with_context(|| path.to_owned())?;
        self.0.insert(path.to_owned(), text);
        Ok(())
    }

    /// Returns the text of a file, or `None` if there is no such file.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }

    /// Returns whether there is a file or folder with this path.
    pub fn has(&self, path: &str) -> bool {
        self.paths("").any(|file| is_below(file, path))
    }

    /// Returns the files whose paths have this end.
    pub fn paths(&self, end: &str) -> impl Iterator<Item = &str> {
        let paths = self.0.keys().map(String::as_str);
        paths.filter(move |path| path.ends_with(end))
    }
}

/// Returns whether `path` is `place`, or is in the folder `place`.
pub fn is_below(path: &str, place: &str) -> bool {
    let rest = path.strip_prefix(place);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Returns the folder that a file is in.
pub fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Returns the name of a file without its end.
pub fn stem_of(path: &str) -> &str {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// Returns the path that leads from `folder` to `path`, without `.` and `..`.
pub fn joined(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}
