// SPDX-License-Identifier: GPL-2.0
//! What of the MD that a build was made from is other than in any MD that md-p2p was tested with.
//!
//! Tests: below, and tests/module.rs.

use std::io::{self, Write};

use serde::Serialize;

/// What of MD md-p2p changes or uses, as `FILE:NAME`: a function, a `struct s`, a `#define M`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Untested(Vec<String>);

impl Untested {
    /// Parses what the build left in the module: `md.c:md_alloc,md.h:struct mddev`, or `none`.
    pub fn parse(text: &str) -> Self {
        let names = text.split(',').map(str::trim);
        let names = names.filter(|name| !["", "none"].contains(name));
        Self(names.map(str::to_owned).collect())
    }

    /// Prints them, a line for each file of MD.
    ///
    /// # Errors
    /// Fails if `out` cannot be written.
    pub fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.0.is_empty() {
            return writeln!(
                out,
                "tested   what md-p2p changes and uses of this MD was tested"
            );
        }
        let mut label = "untested";
        for (file, names) in self.by_file() {
            writeln!(out, "{label:8} {file}: {}", names.join(", "))?;
            label = "";
        }
        writeln!(
            out,
            "         other than in any MD that was tested: try your arrays first, with mdp2p verify"
        )
    }

    fn by_file(&self) -> Vec<(&str, Vec<&str>)> {
        let mut files: Vec<(&str, Vec<&str>)> = Vec::new();
        for (file, name) in self.0.iter().filter_map(|it| it.split_once(':')) {
            match files.iter_mut().find(|(it, _)| *it == file) {
                Some((_, names)) => names.push(name),
                None => files.push((file, vec![name])),
            }
        }
        files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str) -> String {
        let mut out = Vec::new();
        Untested::parse(text).print(&mut out).expect("memory");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn each_file_has_a_line() {
        let text = printed("md.c:md_alloc,md.c:md_run,md.h:struct mddev\n");
        assert!(
            text.starts_with(
                "untested md.c: md_alloc, md_run\n         md.h: struct mddev\n         other"
            ),
            "{text}"
        );
        for text in ["none\n", ""] {
            assert!(printed(text).starts_with("tested   what md-p2p"), "{text}");
        }
    }
}
