// SPDX-License-Identifier: GPL-2.0
//! Which file needs which, and what for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;

/// As many reasons are told, at most.
const TOLD: usize = 3;

/// What for: a verb and its object.
type Reasons = BTreeSet<(&'static str, String)>;

/// Files that need files. No file needs itself.
#[derive(Debug, Default)]
pub struct Graph(BTreeMap<String, BTreeMap<String, Reasons>>);

impl Graph {
    /// Says that `from` needs `to`, because it does this with it: "imports", `a::b`.
    pub fn add(&mut self, from: &str, to: &str, verb: &'static str, what: String) {
        if from != to {
            let needs = self.0.entry(from.to_owned()).or_default();
            needs.entry(to.to_owned()).or_default().insert((verb, what));
        }
    }

    /// Adds all that another graph has.
    pub fn extend(&mut self, other: Self) {
        for (from, needs) in other.0 {
            for (to, reasons) in needs {
                let all = self.0.entry(from.clone()).or_default();
                all.entry(to).or_default().extend(reasons);
            }
        }
    }

    /// Returns the pairs of files of which the first needs the second.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|(from, needs)| {
            let needed = needs.keys().map(String::as_str);
            needed.map(move |to| (from.as_str(), to))
        })
    }

    /// Says what for a file needs another.
    pub fn reason(&self, from: &str, to: &str) -> String {
        let reasons = &self.0[from][to];
        let mut text = from.to_owned();
        let mut before = "";
        for (number, (verb, what)) in reasons.iter().take(TOLD).enumerate() {
            text += if number == 0 { " " } else { ", " };
            if *verb != before {
                text += &format!("{verb} ");
            }
            text += what;
            before = verb;
        }
        match reasons.len().saturating_sub(TOLD) {
            0 => text += " of ",
            more => text += &format!(" and {more} more of "),
        }
        text + to
    }

    /// Returns a sentence for each group of files that need each other.
    pub fn circles(&self) -> Vec<String> {
        let mut told = BTreeSet::new();
        let mut sentences = Vec::new();
        for start in self.0.keys() {
            if told.contains(start) {
                continue;
            }
            let Some(circle) = self.shortest_circle(start) else {
                continue;
            };
            let reached = self.reached_from(start);
            let group: BTreeSet<&String> = reached
                .into_iter()
                .filter(|file| self.reached_from(file).contains(start))
                .collect();
            sentences.push(self.sentence(&circle, group.len()));
            told.extend(group);
        }
        sentences
    }

    fn sentence(&self, circle: &[&String], group: usize) -> String {
        let mut text = format!("{} files need each other:", circle.len());
        let next = circle.iter().cycle().skip(1);
        for (from, to) in circle.iter().zip(next) {
            write!(text, "\n    {}", self.reason(from, to)).expect("text");
        }
        if group > circle.len() {
            write!(text, "\n    ({group} files hang together by such circles)").expect("text");
        }
        text
    }

    fn needs(&self, file: &String) -> impl Iterator<Item = &String> {
        self.0.get(file).into_iter().flat_map(BTreeMap::keys)
    }

    fn reached_from<'a>(&'a self, start: &'a String) -> BTreeSet<&'a String> {
        let mut reached = BTreeSet::new();
        let mut queue: Vec<&String> = self.needs(start).collect();
        while let Some(file) = queue.pop() {
            if reached.insert(file) {
                queue.extend(self.needs(file));
            }
        }
        reached
    }

    /// Returns the files of the shortest way from `start` back to it, `start` first.
    fn shortest_circle<'a>(&'a self, start: &'a String) -> Option<Vec<&'a String>> {
        let mut before: BTreeMap<&String, &String> = BTreeMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(file) = queue.pop_front() {
            for next in self.needs(file) {
                if next == start {
                    let mut circle = vec![file];
                    while circle[0] != start {
                        circle.insert(0, before[circle[0]]);
                    }
                    return Some(circle);
                }
                if !before.contains_key(next) {
                    before.insert(next, file);
                    queue.push_back(next);
                }
            }
        }
        None
    }
}
