// SPDX-License-Identifier: GPL-2.0
//! Which C file needs which: by what it includes, and by the functions of others that it names.
//!
//! A .c file and the headers of its name are one room: copy.c, copy.h and md_p2p_copy.h. What Rust
//! exports to C is in `kmod/glue.rs`.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::Graph;
use super::tree::{Tree, is_below, stem_of};

/// Where the modules' C is.
const FOLDERS: [&str; 2] = ["include", "kmod"];

/// Where Rust is called, and how what it exports begins.
const GLUE: (&str, &str) = ("kmod/glue.rs", "md_p2p_glue_");

/// What the names of headers begin with that others than the modules' C include.
const PREFIX: &str = "md_p2p_";

/// Returns which C file needs which.
pub fn calls(tree: &Tree) -> Graph {
    let is_ours = |path: &&str| FOLDERS.iter().any(|folder| is_below(path, folder));
    let sources: Vec<Source> = tree
        .paths(".c")
        .chain(tree.paths(".h"))
        .filter(is_ours)
        .map(|path| Source::read(path, tree.text(path).unwrap_or_default()))
        .collect();
    let room = |source: &Source| {
        let name = stem_of(&source.path);
        let names = [name, name.strip_prefix(PREFIX).unwrap_or(name)];
        let mut others = sources.iter().filter(|other| other.is_c);
        let its_c = others.find(|other| names.contains(&stem_of(&other.path)));
        its_c
            .filter(|_| !source.is_c)
            .map_or(source.path.clone(), |c| c.path.clone())
    };
    let mut functions: BTreeMap<&str, String> = BTreeMap::new();
    for source in &sources {
        for function in &source.functions {
            functions.insert(function, room(source));
        }
    }
    let mut graph = Graph::default();
    for source in &sources {
        let from = room(source);
        for header in &source.includes {
            let is_named = |other: &&Source| other.path.ends_with(&format!("/{header}"));
            if let Some(other) = sources.iter().find(is_named) {
                graph.add(&from, &room(other), "includes", header.clone());
            }
        }
        for word in source.words.difference(&source.own_functions) {
            if let Some(to) = functions.get(word.as_str()) {
                graph.add(&from, to, "calls", format!("{word}()"));
            } else if word.starts_with(GLUE.1) {
                graph.add(&from, GLUE.0, "calls", format!("{word}()"));
            }
        }
    }
    graph
}

/// What the text of a C file tells.
#[derive(Default)]
struct Source {
    path: String,
    is_c: bool,
    /// The headers that it includes with quotation marks.
    includes: Vec<String>,
    /// The functions that others can call.
    functions: BTreeSet<String>,
    /// The functions that are for this file alone.
    own_functions: BTreeSet<String>,
    /// Every word in braces, be they of functions or of initial values, and in macros.
    words: BTreeSet<String>,
}

impl Source {
    fn read(path: &str, text: &str) -> Self {
        let mut source = Self {
            path: path.to_owned(),
            is_c: path.ends_with(".c"),
            ..Self::default()
        };
        let mut code = String::new();
        let text = without_comments(text).replace("\\\n", " ");
        for line in text.lines() {
            match line.trim_start().strip_prefix('#').map(str::trim_start) {
                None => code += &format!("{line}\n"),
                Some(line) => match line.strip_prefix("include") {
                    None => source.add_words(&without_strings(line)),
                    Some(name) => source.includes.extend(header(name)),
                },
            }
        }
        source.add_code(&without_strings(&code));
        source
    }

    /// Reads code without comments, strings and lines for the preprocessor.
    fn add_code(&mut self, code: &str) {
        let (mut depth, mut begin) = (0_usize, 0);
        for (at, character) in code.char_indices() {
            match character {
                '{' if depth == 0 => {
                    self.add_function(&code[begin..at]);
                    (depth, begin) = (1, at);
                }
                '{' => depth += 1,
                '}' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        self.add_words(&code[begin..at]);
                        begin = at + 1;
                    }
                }
                ';' if depth == 0 => begin = at + 1,
                _ => {}
            }
        }
    }

    /// Adds a function, if `head` is what stands before the body of one: it ends with the
    /// parameters, and before them is the name.
    fn add_function(&mut self, head: &str) {
        let Some(inner) = head.trim_end().strip_suffix(')') else {
            return;
        };
        let mut depth = 1;
        let opens = |character| {
            match character {
                ')' => depth += 1,
                '(' => depth -= 1,
                _ => {}
            }
            depth == 0
        };
        let Some(parameters) = inner.rfind(opens) else {
            return;
        };
        let before: Vec<&str> = words(&inner[..parameters]).collect();
        let Some((name, kind)) = before.split_last() else {
            return;
        };
        let is_own = self.is_c && kind.contains(&"static");
        let functions = if is_own {
            &mut self.own_functions
        } else {
            &mut self.functions
        };
        functions.insert((*name).to_owned());
    }

    fn add_words(&mut self, code: &str) {
        self.words.extend(words(code).map(str::to_owned));
    }
}

/// Returns the name of a header that is included with quotation marks, without its folder.
fn header(name: &str) -> Option<String> {
    let path = name.trim().strip_prefix('"')?.strip_suffix('"')?;
    path.rsplit('/').next().map(str::to_owned)
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|character: char| !(character.is_ascii_alphanumeric() || character == '_'))
        .filter(|word| !word.is_empty())
}

fn without_comments(text: &str) -> String {
    let mut rest = text;
    let mut code = String::new();
    while let Some((before, comment)) = rest.split_once("/*") {
        code += before;
        code.push(' ');
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    code += rest;
    let lines = code
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    lines.map(|line| line.to_owned() + "\n").collect()
}

/// Returns code in which strings and characters are empty.
fn without_strings(code: &str) -> String {
    let mut kept = String::new();
    let mut mark = None;
    let mut characters = code.chars();
    while let Some(character) = characters.next() {
        match mark {
            None => {
                kept.push(character);
                mark = Some(character).filter(|character| "\"'".contains(*character));
            }
            Some(_) if character == '\\' => drop(characters.next()),
            Some(end) if character == end => {
                kept.push(end);
                mark = None;
            }
            Some(_) => {}
        }
    }
    kept
}
