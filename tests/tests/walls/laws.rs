// SPDX-License-Identifier: GPL-2.0
//! What a wall can forbid, and how it is told that one is broken.

use anyhow::Result;

use super::graph::Graph;
use super::rust::{has_word, manifest};
use super::tree::{Tree, is_below, joined};

/// A wall, and the sentence that it stands for.
pub struct Wall {
    pub says: &'static str,
    pub law: Law,
}

/// Paths are those of files or folders.
pub enum Law {
    /// Each of `who` needs nothing but what is in these and in `whom`.
    NeedsOnly {
        who: &'static [&'static str],
        whom: &'static [&'static str],
    },
    /// No file or folder in `folder` needs another one in it, but for its mod.rs.
    Strangers { folder: &'static str },
    /// Of what is in `within`, only `whom` itself and `who` need what is in `whom`.
    NeededOnlyBy {
        whom: &'static str,
        within: &'static str,
        who: &'static [&'static str],
    },
    /// In the Rust of `within`, this word is for `who` alone.
    Word {
        word: &'static str,
        within: &'static str,
        who: &'static [&'static str],
    },
    /// The crates in `folders` depend on none of these packages.
    DependsOnNone {
        folders: &'static [&'static str],
        packages: &'static [&'static str],
    },
}

impl Wall {
    /// Returns each path that the wall names.
    pub fn paths(&self) -> impl Iterator<Item = &'static str> {
        let (some, more): (&[&str], &[&str]) = match self.law {
            Law::NeedsOnly { who, whom } => (who, whom),
            Law::Strangers { ref folder } => (std::slice::from_ref(folder), &[]),
            Law::NeededOnlyBy { ref whom, who, .. } => (std::slice::from_ref(whom), who),
            Law::Word {
                ref within, who, ..
            } => (std::slice::from_ref(within), who),
            Law::DependsOnNone { folders, .. } => (folders, &[]),
        };
        [some, more].concat().into_iter()
    }

    /// Returns a sentence for each place where the wall is broken, and for each path that is not
    /// there: when a folder gets another name, its walls must move with it.
    pub fn broken(&self, tree: &Tree, graph: &Graph) -> Result<Vec<String>> {
        let missing = self.paths().filter(|path| !tree.has(path));
        let missing = missing.map(|path| format!("there is no {path}"));
        let mut wrong: Vec<String> = missing.collect();
        match self.law {
            Law::Word { word, within, who } => {
                for path in tree.paths(".rs").filter(|path| is_below(path, within)) {
                    let text = tree.text(path).unwrap_or_default();
                    if !is_in(path, who) && has_word(text, word)? {
                        wrong.push(format!("{path} has the word `{word}`"));
                    }
                }
            }
            Law::DependsOnNone { folders, packages } => {
                for folder in folders.iter().filter(|folder| tree.has(folder)) {
                    let manifest = manifest(tree, &joined(folder, "Cargo.toml"))?;
                    let needed = manifest
                        .get("dependencies")
                        .and_then(|value| value.as_table());
                    let names = needed.into_iter().flat_map(|table| table.keys());
                    for name in names.filter(|name| packages.contains(&name.as_str())) {
                        wrong.push(format!("{folder} depends on {name}"));
                    }
                }
            }
            _ => {
                let broken = graph.pairs().filter(|(from, to)| self.forbids(from, to));
                wrong.extend(broken.map(|(from, to)| graph.reason(from, to)));
            }
        }
        let told = |wrong: String| format!("{}:\n    {wrong}", self.says);
        Ok(wrong.into_iter().map(told).collect())
    }

    /// Returns whether one file must not need the other.
    fn forbids(&self, from: &str, to: &str) -> bool {
        match self.law {
            Law::NeedsOnly { who, whom } => is_in(from, who) && !is_in(to, who) && !is_in(to, whom),
            Law::Strangers { folder } => match (entry(folder, from), entry(folder, to)) {
                (Some(from), Some(to)) => from != to && from != "mod" && to != "mod",
                _ => false,
            },
            Law::NeededOnlyBy { whom, within, who } => {
                is_below(to, whom)
                    && is_below(from, within)
                    && !is_in(from, &[who, &[whom]].concat())
            }
            Law::Word { .. } | Law::DependsOnNone { .. } => false,
        }
    }
}

fn is_in(path: &str, places: &[&str]) -> bool {
    places.iter().any(|place| is_below(path, place))
}

/// Returns which file or folder in `folder` a path leads to, without the end of its name: `a` for
/// both `a.rs` and `a/b.rs`.
fn entry<'a>(folder: &str, path: &'a str) -> Option<&'a str> {
    let inner = path.strip_prefix(folder)?.strip_prefix('/')?;
    inner.split(['/', '.']).next()
}
