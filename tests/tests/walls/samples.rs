// SPDX-License-Identifier: GPL-2.0
//! Small trees in which something is wrong: that each wall can break, and each circle is found.

use super::graph::Graph;
use super::laws::{Law, Wall};
use super::tree::Tree;
use super::{WALLS, c, rust};

/// A workspace of the crates `one` and `two`, with more files.
fn workspace(files: &[(&str, &str)]) -> Tree {
    let manifests = [
        ("Cargo.toml", "[workspace]\nmembers = [\"one\", \"two\"]\n"),
        ("one/Cargo.toml", "[package]\nname = \"the-one\"\n"),
        ("two/Cargo.toml", "[package]\nname = \"two\"\n"),
    ];
    Tree::of(&[&manifests[..], files].concat())
}

/// Which file of these needs which: lines `a needs b`.
fn needs(files: &[(&str, &str)]) -> Vec<String> {
    let graph = rust::imports(&workspace(files)).expect("Rust");
    told(&graph)
}

fn told(graph: &Graph) -> Vec<String> {
    let pairs = graph.pairs();
    pairs
        .map(|(from, to)| format!("{from} needs {to}"))
        .collect()
}

fn circles(files: &[(&str, &str)]) -> Vec<String> {
    rust::imports(&workspace(files)).expect("Rust").circles()
}

/// A tree with each path that a wall names: a crate in each folder of which it says something, and
/// code with `text` in each file and folder.
fn tree_for(wall: &Wall, dependency: &str, text: &str) -> Tree {
    let mut files = Vec::new();
    for path in wall.paths() {
        if path.contains('.') {
            files.push((path.to_owned(), String::new()));
        } else {
            let manifest = format!("[package]\nname = \"x\"\n[dependencies]\n{dependency}");
            files.push((format!("{path}/Cargo.toml"), manifest));
            files.push((format!("{path}/sample.rs"), text.to_owned()));
        }
    }
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    Tree::of(&files)
}

fn one(from: &str, to: &str) -> Graph {
    let mut graph = Graph::default();
    graph.add(from, to, "imports", "it".to_owned());
    graph
}

#[test]
fn every_wall_stands_in_a_tree_that_is_right_and_breaks_in_one_that_is_not() {
    for wall in WALLS {
        let right = tree_for(wall, "", "");
        let (mut tree, mut graph) = (tree_for(wall, "", ""), Graph::default());
        match wall.law {
            Law::NeedsOnly { who, .. } => graph = one(who[0], "elsewhere/a.rs"),
            Law::Strangers { folder } => {
                graph = one(&format!("{folder}/a.rs"), &format!("{folder}/b/mod.rs"));
            }
            Law::NeededOnlyBy { whom, within, .. } => {
                graph = one(&format!("{within}/a.rs"), &format!("{whom}/a.rs"));
            }
            Law::Word { word, .. } => {
                tree = tree_for(wall, "", &format!("fn a() {{ {word} {{}} }}"))
            }
            Law::DependsOnNone { packages, .. } => {
                tree = tree_for(wall, &format!("{} = \"1\"", packages[0]), "");
            }
        }
        let stands = wall.broken(&right, &Graph::default()).expect(wall.says);
        assert_eq!(stands, Vec::<String>::new());
        let wrong = wall.broken(&tree, &graph).expect(wall.says);
        assert!(!wrong.is_empty(), "{}", wall.says);
        assert!(wrong[0].starts_with(wall.says), "{}", wrong[0]);
    }
}

#[test]
fn a_wall_beside_which_nothing_is_left_is_told() {
    for wall in WALLS {
        let nowhere = Tree::of(&[]);
        let wrong = wall.broken(&nowhere, &Graph::default()).expect(wall.says);
        assert_eq!(wrong.len(), wall.paths().count(), "{}", wall.says);
        assert!(wrong[0].contains("there is no "), "{}", wrong[0]);
    }
}

#[test]
fn what_a_wall_allows_is_allowed() {
    let allowed = |says: &str, from: &str, to: &str| {
        let wall = WALLS.iter().find(|wall| wall.says == says).expect(says);
        let wrong = wall.broken(&tree_for(wall, "", ""), &one(from, to));
        assert_eq!(wrong.expect(says), Vec::<String>::new());
    };
    let commands = "user/mdp2p/src/commands";
    let (list, part) = (
        format!("{commands}/mod.rs"),
        format!("{commands}/a/part.rs"),
    );
    let strangers = "a command never needs another command";
    allowed(strangers, &list, &part);
    allowed(strangers, &part, &format!("{commands}/a/mod.rs"));
    allowed(
        "only the command line needs commands",
        "user/mdp2p/src/cli.rs",
        &list,
    );
    allowed(
        "only the command line needs commands",
        "user/mdp2p/tests/verify.rs",
        &list,
    );
    allowed(
        "mdp2p-io needs mdp2p-machine only",
        "user/peer-io/src/a.rs",
        "user/machine/src/lib.rs",
    );
    allowed(
        "the C that Rust calls never calls Rust, nor the C above Rust",
        "kmod/shim/pci.c",
        "include/shim.h",
    );
}

#[test]
fn an_import_is_of_the_file_that_has_the_name() {
    let lib = (
        "one/src/lib.rs",
        "pub mod a; pub mod b; mod c { use super::b::Deep; }",
    );
    let inner = ("one/src/b/mod.rs", "pub mod inner; pub struct Deep;");
    let name = ("one/src/b/inner.rs", "pub fn name() {}");
    for (code, needed) in [
        ("use crate::b::inner::name;", vec!["b/inner.rs"]),
        (
            "use crate::b::{self, inner::name as other};",
            vec!["b/inner.rs", "b/mod.rs"],
        ),
        (
            "use super::b::inner; fn a() { inner::name() }",
            vec!["b/inner.rs"],
        ),
        ("fn a() { crate::b::inner::name() }", vec!["b/inner.rs"]),
        ("fn a() { use crate::b::inner::*; }", vec!["b/inner.rs"]),
        (
            "fn a() { print!(\"{}\", crate::b::inner::name()) }",
            vec!["b/inner.rs"],
        ),
        (
            "#[arg(parser = crate::b::inner::name)] struct A;",
            vec!["b/inner.rs"],
        ),
        ("impl crate::b::Deep {}", vec!["b/mod.rs"]),
        ("mod own { use super::super::b::Deep; }", vec!["b/mod.rs"]),
        (
            "use std::fmt; fn a() { fmt::format(); String::new(); }",
            vec![],
        ),
        ("#[cfg(test)] mod tests { use crate::b::Deep; }", vec![]),
        ("#[cfg(test)] use crate::b::Deep;", vec![]),
        ("// use crate::b::Deep;", vec![]),
    ] {
        let expected: Vec<String> = needed
            .iter()
            .map(|file| format!("one/src/a.rs needs one/src/{file}"))
            .chain(["one/src/lib.rs needs one/src/b/mod.rs".to_owned()])
            .collect();
        assert_eq!(
            needs(&[lib, inner, name, ("one/src/a.rs", code)]),
            expected,
            "{code}"
        );
    }
}

#[test]
fn a_name_that_is_handed_on_is_of_both_files() {
    let files = [
        ("one/src/lib.rs", "mod a; mod b; mod c;"),
        ("one/src/a.rs", "use crate::b::Name; use crate::b::Other;"),
        (
            "one/src/b.rs",
            "pub use crate::c::Name; pub use super::c::*;",
        ),
        ("one/src/c.rs", "pub struct Name; pub enum Other {}"),
    ];
    let a_needs_both = [
        "one/src/a.rs needs one/src/b.rs",
        "one/src/a.rs needs one/src/c.rs",
    ];
    assert_eq!(needs(&files)[..2], a_needs_both);
}

#[test]
fn other_crates_are_known_by_the_names_of_their_libraries() {
    let files = [
        ("one/src/lib.rs", "pub mod a;"),
        ("one/src/a.rs", "pub struct Name;"),
        ("one/src/main.rs", "use the_one::a::Name;"),
        ("two/src/lib.rs", "fn a() { the_one::a::Name; }"),
        ("two/src/bin/two.rs", "use two::two; fn main() { two() }"),
        ("two/tests/case.rs", "use two::a; mod common;"),
        ("two/tests/common/mod.rs", "use the_one::a::Name;"),
    ];
    let expected = [
        "one/src/main.rs needs one/src/a.rs",
        "two/src/bin/two.rs needs two/src/lib.rs",
        "two/src/lib.rs needs one/src/a.rs",
        "two/tests/case.rs needs two/src/lib.rs",
        "two/tests/common/mod.rs needs one/src/a.rs",
    ];
    assert_eq!(needs(&files), expected);
}

#[test]
fn a_module_may_be_anywhere() {
    let files = [
        (
            "one/src/lib.rs",
            "#[path = \"../../far/off.rs\"] mod off; use off::Name; mod a { mod b; }",
        ),
        ("one/src/a/b.rs", "use crate::off::Name;"),
        ("far/off.rs", "pub struct Name;"),
    ];
    let expected = [
        "one/src/a/b.rs needs far/off.rs",
        "one/src/lib.rs needs far/off.rs",
    ];
    assert_eq!(needs(&files), expected);
    let lost = rust::imports(&workspace(&[("one/src/lib.rs", "mod lost;")]));
    let told = lost.err().map(|error| error.to_string());
    assert_eq!(
        told.as_deref(),
        Some("one/src/lib.rs: mod lost has no file")
    );
}

#[test]
fn a_circle_is_told_with_what_ties_it() {
    let files = [
        ("one/src/lib.rs", "mod a; mod b; mod c; mod d;"),
        ("one/src/a.rs", "use crate::b::B; pub struct A;"),
        ("one/src/b.rs", "use crate::c; pub struct B;"),
        ("one/src/c.rs", "pub fn c() { crate::a::A; crate::d::d() }"),
        ("one/src/d.rs", "pub fn d() { crate::c::c() }"),
    ];
    let expected = "3 files need each other:\
        \n    one/src/a.rs imports crate::b::B of one/src/b.rs\
        \n    one/src/b.rs imports crate::c of one/src/c.rs\
        \n    one/src/c.rs imports crate::a::A of one/src/a.rs\
        \n    (4 files hang together by such circles)";
    assert_eq!(circles(&files), [expected]);
}

#[test]
fn a_parent_and_its_child_can_be_a_circle() {
    let lib = ("one/src/lib.rs", "mod a;");
    let uses = "mod child; fn use_it() { child::child() } pub struct Thing;";
    let shows = "mod child; mod sibling; pub use child::child; pub use sibling::Thing;";
    let sibling = ("one/src/a/sibling.rs", "pub struct Thing;");
    for (parent, child, count) in [
        (uses, "use super::Thing; pub fn child() {}", 1),
        (uses, "pub fn child() {}", 0),
        (shows, "use super::Thing; pub fn child() {}", 1),
        (shows, "use super::sibling::Thing; pub fn child() {}", 0),
    ] {
        let files = [
            lib,
            ("one/src/a/mod.rs", parent),
            ("one/src/a/child.rs", child),
            sibling,
        ];
        assert_eq!(circles(&files).len(), count, "{parent} {child}");
    }
}

#[test]
fn words_are_those_of_the_code() {
    for (text, word, has) in [
        ("fn a() { unsafe { b() } }", "unsafe", true),
        (
            "#![deny(unsafe_code)]\n// unsafe\nconst A: &str = \"unsafe\";",
            "unsafe",
            false,
        ),
        ("use ffi::bindings;", "bindings", true),
        ("fn a(b: *mut u8) {}", "*", true),
        ("fn a(b: &mut u8) { *b = 1; }", "*", false),
    ] {
        assert_eq!(rust::has_word(text, word).expect("tokens"), has, "{text}");
    }
}

/// Which C file of these needs which.
fn called(files: &[(&str, &str)]) -> Graph {
    c::calls(&Tree::of(files))
}

#[test]
fn c_needs_what_it_includes_and_whose_functions_it_names() {
    let b = (
        "kmod/b.c",
        "int b(int (*each)(void))\n{\n\treturn 1;\n}\nstatic void own(void)\n{\n}\n",
    );
    let header = (
        "include/other.h",
        "static inline void other(void)\n{\n}\nvoid declared(void);\n",
    );
    for (text, needed) in [
        ("int a(void)\n{\n\treturn b(NULL);\n}\n", vec!["kmod/b.c"]),
        (
            "static struct ops ops = {\n\t.call = b,\n};\n",
            vec!["kmod/b.c"],
        ),
        ("#define A(x) \\\n\tb(x)\n", vec!["kmod/b.c"]),
        ("#include \"other.h\"\n", vec!["include/other.h"]),
        ("int a(void)\n{\n\tother();\n}\n", vec!["include/other.h"]),
        (
            "int a(void)\n{\n\tmd_p2p_glue_a();\n}\n",
            vec!["kmod/glue.rs"],
        ),
        (
            "int b(int (*each)(void));\n/* b() */\nchar *a = \"b()\";\n",
            vec![],
        ),
        (
            "static int own(void)\n{\n}\nint a(void)\n{\n\tdeclared(own());\n}\n",
            vec![],
        ),
    ] {
        let expected: Vec<String> = needed
            .iter()
            .map(|file| format!("kmod/a.c needs {file}"))
            .collect();
        assert_eq!(
            told(&called(&[("kmod/a.c", text), b, header])),
            expected,
            "{text}"
        );
    }
}

#[test]
fn a_c_file_and_its_header_are_one_room() {
    let a = ("kmod/a.c", "#include \"a.h\"\nvoid a(void)\n{\n\tb();\n}\n");
    let header = ("include/a.h", "void a(void);\n");
    let calls_back = ("kmod/b.c", "#include \"a.h\"\nvoid b(void)\n{\n}\n");
    let below = ("kmod/b.c", "void b(void)\n{\n}\n");
    let expected = "2 files need each other:\
        \n    kmod/a.c calls b() of kmod/b.c\
        \n    kmod/b.c includes a.h of kmod/a.c";
    assert_eq!(called(&[a, header, calls_back]).circles(), [expected]);
    assert_eq!(called(&[a, header, below]).circles(), Vec::<String>::new());
    let public = (
        "include/md_p2p_a.h",
        "static inline void c(void)\n{\n\ta();\n}\n",
    );
    let includes = ("kmod/a.c", "#include \"md_p2p_a.h\"\nvoid a(void)\n{\n}\n");
    assert_eq!(told(&called(&[includes, public])), Vec::<String>::new());
}
