// SPDX-License-Identifier: GPL-2.0
//! The figures that benches print, and the document that they become.
//!
//! A bench prints lines `figure: WHAT | RATIO | AGAINST | LIMIT`, all from one run. RATIO may be at most
//! LIMIT, which may be followed by words.

use std::fmt::Write;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A bench.
#[derive(Debug)]
pub struct Bench {
    /// The name, by which `--only` chooses.
    pub name: &'static str,
    /// The heading.
    pub title: &'static str,
    /// The command line.
    pub command: &'static str,
    /// What is measured, and how; a sentence a line.
    pub about: &'static str,
}

/// All benches, in the order of the document.
pub const BENCHES: &[Bench] = &[
    Bench {
        name: "tax",
        title: "I/O from host memory",
        command: "cargo bench --package md-p2p-tests --bench tax",
        about: "Instructions of one processor for an I/O of 4 KiB that has nothing to do with peer memory.\n\
                Members are RAM disks, and both mds are in one guest that counts instructions.",
    },
    Bench {
        name: "peer-read",
        title: "I/O from peer memory",
        command: "cargo bench --package md-p2p-tests --bench peer-read",
        about: "Instructions of one processor for a read of 1 MiB from NVMe drives, in a guest that counts them.\n\
                A healthy raid5 reads directly, as a raid0 does.",
    },
    Bench {
        name: "reach",
        title: "Whose page it is",
        command: "cargo bench --package md-p2p-tests --bench reach",
        about: "Every peer I/O asks whose page it is, and who reaches it.\n\
                The time is that of the host, measured with criterion.",
    },
    Bench {
        name: "rebuild",
        title: "Rebuilds",
        command: "cargo bench --package md-p2p-tests --bench rebuild",
        about: "Recovery of a member with md-p2p and with the kernel's md, in turn, in one guest.\n\
                The bytes are those that the drives' DMA touched, which QEMU counts.",
    },
    Bench {
        name: "topology",
        title: "The program",
        command: "cargo bench --package mdp2p --bench topology",
        about: "Both programs read the same 4,096 PCI devices, in turn.",
    },
    Bench {
        name: "build",
        title: "The build of the modules",
        command: "cargo vm exec -- tests/benches/build",
        about: "The first build also makes the Rust metadata of the kernel, which is kept.",
    },
];

/// A figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// The figure.
    pub ratio: f64,
    /// The anchor, which the figure is divided by.
    pub against: String,
    /// The most that it may be.
    pub limit: f64,
    /// What there is to say about the limit.
    pub remark: String,
}

impl FromStr for Figure {
    type Err = String;

    /// Parses what follows `figure: `.
    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('|').map(str::trim).collect();
        let [what, ratio, against, limit] = parts[..] else {
            return Err(format!(
                "`{text}`: WHAT | RATIO | AGAINST | LIMIT is wanted"
            ));
        };
        let (limit, remark) = limit.split_once(' ').unwrap_or((limit, ""));
        let number = |number: &str| match number.parse::<f64>() {
            Ok(figure) if figure.is_finite() && figure >= 0.0 => Ok(figure),
            _ => Err(format!("`{text}`: `{number}` is no figure")),
        };
        Ok(Self {
            what: what.to_owned(),
            ratio: number(ratio)?,
            against: against.to_owned(),
            limit: number(limit)?,
            remark: remark.to_owned(),
        })
    }
}

impl Figure {
    /// Returns the figure that a line of a bench's output has; `None` if it has none.
    pub fn of(line: &str) -> Option<Result<Self, String>> {
        line.strip_prefix("figure: ").map(str::parse)
    }

    /// Tells whether the figure is at most the limit.
    pub fn holds(&self) -> bool {
        self.ratio <= self.limit
    }
}

/// What a bench said when it was run last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// git's name for the state of the repository.
    pub commit: String,
    /// The seconds that it took.
    pub seconds: u64,
    /// How it ended.
    pub status: String,
    /// The figures.
    pub figures: Vec<Figure>,
}

/// Returns the document. `measured` returns what a bench said; `None` if it was not run.
pub fn document(measured: impl Fn(&Bench) -> Option<Measured>) -> String {
    let mut text = HEAD.to_owned();
    for bench in BENCHES {
        let _ = write!(text, "\n## {}\n\n{}\n\n", bench.title, bench.about);
        let _ = write!(text, "```sh\n{}\n```\n\n", bench.command);
        text += &match measured(bench) {
            Some(measured) => section(&measured),
            None => "It was not run.\n".to_owned(),
        };
    }
    text + FOOT
}

fn section(measured: &Measured) -> String {
    let Measured {
        commit,
        seconds,
        status,
        figures,
    } = measured;
    let mut text = format!("At {commit}, in {seconds} s; it ended with {status}.\n");
    if !figures.is_empty() {
        text += "\n| figure | | against | limit | |\n|---|---|---|---|---|\n";
    }
    for figure in figures {
        let verdict = if figure.holds() { "holds" } else { "**over**" };
        let limit = format!("{} {}", figure.limit, figure.remark);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {verdict} |",
            figure.what,
            figure.ratio,
            figure.against,
            limit.trim()
        );
    }
    text
}

/// The beginning of the document.
const HEAD: &str = "\
# Performance

`make bench` measures all of this, and writes this file.
Each figure is a ratio of two things that were measured in one run, with the anchor beside it.
A figure over its limit fails `make bench`.
`make bench ONLY=NAME` measures one; the others keep what they were, with the commit at which they were measured.
";

/// The end of the document.
const FOOT: &str = "
## What a virtual machine cannot say

In a guest, drives, their memory and the switch are emulated: each access of the CPU to a drive's memory traps, and DMA between drives is a copy by the host.
So nothing here says how many bytes per second go through peer memory, directly or staged.
On real hardware these commands do:

```sh
mdp2p bench md0 --save direct.json                # peer memory against host memory, in turns
mdp2p bench md0 --staging --save staging.json     # what staging costs, and the provider's memory itself
mdp2p bench --compare yours.json mine.json        # a table of ratios
```

The files have no name, address, path or serial number, and may be sent to whoever asks.
";

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    #[test]
    fn a_line_is_a_figure_or_says_what_is_wrong_with_it() {
        let figure = Figure::of("figure: a of b | 0.98 | md | 1.05 (and noise)");
        let expected = Figure {
            what: "a of b".into(),
            ratio: 0.98,
            against: "md".into(),
            limit: 1.05,
            remark: "(and noise)".into(),
        };
        assert_eq!(figure, Some(Ok(expected)));
        assert_eq!(Figure::of("bench: 7 | 8 | 9 | 10"), None);
        for wrong in [
            "a | 1 | b",
            "a | x | b | 1",
            "a | NaN | b | 1",
            "a | 1 | b | -1",
            "",
        ] {
            let figure = Figure::of(&format!("figure: {wrong}")).expect("a figure");
            assert!(figure.is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_document_has_each_figure_with_its_anchor_commit_and_verdict() {
        let figures = ["a | 1 | md | 1", "b | 1.2 | lspci | 1.1 (or so)"];
        let figures = figures.map(|it| it.parse().expect("a figure")).to_vec();
        let text = document(|bench| {
            (bench.name == "reach").then(|| Measured {
                commit: "0123456789ab".into(),
                seconds: 7,
                status: "exit status: 1".into(),
                figures: figures.clone(),
            })
        });
        for part in [
            "At 0123456789ab, in 7 s; it ended with exit status: 1.",
            "| a | 1 | md | 1 | holds |",
            "| b | 1.2 | lspci | 1.1 (or so) | **over** |",
            "It was not run.",
            "cargo bench --package md-p2p-tests --bench reach",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let not_run = text.matches("It was not run.").count();
        assert_eq!(not_run, BENCHES.len() - 1);
    }

    #[test]
    fn no_bench_is_forgotten() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut there = BTreeSet::new();
        for folder in ["benches", "../user/mdp2p/benches"] {
            for entry in fs::read_dir(here.join(folder)).expect("benches") {
                let path = entry.expect("an entry").path();
                // What lies beside a bench in Rust is its script.
                if path.extension().is_none_or(|kind| kind == "rs") {
                    let name = path.file_stem().expect("a name").to_string_lossy();
                    there.insert(name.into_owned());
                }
            }
        }
        let known: BTreeSet<String> = BENCHES.iter().map(|it| it.name.to_owned()).collect();
        assert_eq!(there.difference(&known).next(), None);
    }
}
