// SPDX-License-Identifier: GPL-2.0

//! The walls of the house: which file may need which. No two files need each other, directly or
//! by way of others.
//!
//! What a file needs is read off the files themselves, in Rust and in C. A wall that breaks is told
//! with the files, and with what one takes from the other.

mod c;
mod graph;
mod laws;
mod rust;
mod samples;
mod tree;

use std::path::Path;

use graph::Graph;
use laws::{Law, Wall};
use tree::Tree;

/// The walls. A path is that of a file or of a folder.
const WALLS: &[Wall] = &[
    Wall {
        says: "mdp2p-machine needs no other crate of ours",
        law: Law::NeedsOnly {
            who: &["user/machine"],
            whom: &[],
        },
    },
    Wall {
        says: "mdp2p-io needs mdp2p-machine only",
        law: Law::NeedsOnly {
            who: &["user/peer-io"],
            whom: &["user/machine"],
        },
    },
    Wall {
        says: "p2pio and the scenarios' programs do not need the command line of mdp2p",
        law: Law::NeedsOnly {
            who: &["tests/src"],
            whom: &["user/machine", "user/peer-io", "kmod/decide"],
        },
    },
    Wall {
        says: "a command never needs another command",
        law: Law::Strangers {
            folder: "user/mdp2p/src/commands",
        },
    },
    Wall {
        says: "only the command line needs commands",
        law: Law::NeededOnlyBy {
            whom: "user/mdp2p/src/commands",
            within: "user/mdp2p/src",
            who: &[
                "user/mdp2p/src/cli.rs",
                "user/mdp2p/src/lib.rs",
                "user/mdp2p/src/main.rs",
            ],
        },
    },
    Wall {
        says: "what reads a machine, and what does I/O, knows no options and no colours",
        law: Law::DependsOnNone {
            folders: &["user/machine", "user/peer-io"],
            packages: &["clap", "anstyle", "anstream"],
        },
    },
    Wall {
        says: "the decisions of the modules need nothing, so that the host can try them",
        law: Law::NeedsOnly {
            who: &["kmod/decide"],
            whom: &[],
        },
    },
    Wall {
        says: "the bindings are seen by kmod/ffi, and by what C calls",
        law: Law::Word {
            word: "bindings",
            within: "kmod",
            who: &["kmod/ffi", "kmod/glue.rs"],
        },
    },
    Wall {
        says: "only kmod/ffi, what C calls, and the one lock of the registry can be unsafe",
        law: Law::Word {
            word: "unsafe",
            within: "kmod",
            who: &["kmod/ffi", "kmod/glue.rs", "kmod/registry.rs"],
        },
    },
    Wall {
        says: "the C that Rust calls never calls Rust, nor the C above Rust",
        law: Law::NeedsOnly {
            who: &[
                "kmod/shim/bio.c",
                "kmod/shim/copy.c",
                "kmod/shim/counters.c",
                "kmod/shim/engine.c",
                "kmod/shim/helpers.c",
                "kmod/shim/members.c",
                "kmod/shim/p2pmem.c",
                "kmod/shim/pci.c",
                "kmod/shim/stager.c",
            ],
            whom: &["include"],
        },
    },
    Wall {
        says: "the environment needs neither the machine nor the run",
        law: Law::NeedsOnly {
            who: &["qemu/src/environment"],
            whom: &[],
        },
    },
    Wall {
        says: "the machine does not need the run",
        law: Law::NeedsOnly {
            who: &["qemu/src/machine"],
            whom: &["qemu/src/environment"],
        },
    },
];

fn tree() -> Tree {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    Tree::read(&root).expect("the repository")
}

fn graph(tree: &Tree) -> Graph {
    let mut graph = rust::imports(tree).expect("Rust");
    graph.extend(c::calls(tree));
    graph
}

#[test]
fn no_files_need_each_other_and_no_wall_is_broken() {
    let tree = tree();
    let graph = graph(&tree);
    let mut wrong = graph.circles();
    for wall in WALLS {
        wrong.extend(wall.broken(&tree, &graph).expect(wall.says));
    }
    assert!(wrong.is_empty(), "\n\n{}\n", wrong.join("\n\n"));
}
