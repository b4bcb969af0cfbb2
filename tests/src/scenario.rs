// SPDX-License-Identifier: GPL-2.0
//! Reads the head of a scenario: a comment with its promise, and the machine that tries it.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// How much to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Scenarios that fit into half an hour: `make test`.
    Test,
    /// All scenarios: `make soak`.
    Soak,
}

/// The head of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// What must be true.
    pub promise: String,
    /// The runs that it belongs to, which every scenario has to say.
    pub scope: Scope,
    /// The topologies in which the scenario is tried.
    pub topologies: Vec<String>,
    /// More topologies, in which only `make soak` tries it.
    pub soak_topologies: Vec<String>,
    /// The modules: `p2p` or `stock`.
    pub modules: String,
    /// Whether systemd starts the machine, whose root then lasts.
    pub system: bool,
    /// Whether the machine's processors run at the same time even if they are emulated.
    pub parallel: bool,
    /// Whether its first argument is a seed. Others are told by their arguments how far they came
    /// before the machine booted again.
    pub seed: bool,
    /// A script that runs in a copy of the environment. The machine then boots from this copy.
    pub prepare: Option<String>,
    /// Files that the scenario needs: names in `files`, or paths in the repository.
    pub files: Vec<String>,
    /// C sources of its own modules: names in `files`, or paths in the repository.
    pub sources: Vec<String>,
    /// Events that QEMU traces.
    pub traces: Vec<String>,
    /// The time that it may take on an idle machine.
    pub timeout: Duration,
}

impl Head {
    /// Reads the comment that `text` begins with: sentences, then lines `# key: value` up to an
    /// empty line.
    pub fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().map_while(|line| line.strip_prefix('#'));
        let lines: Vec<&str> = lines
            .map(str::trim)
            .take_while(|line| !line.is_empty())
            .collect();
        let keys = lines.iter().position(|line| is_key(line));
        let (promise, keys) = lines.split_at(keys.unwrap_or(lines.len()));
        let promise = promise.join(" ");
        ensure!(
            promise.ends_with('.'),
            "it has to begin with a comment of whole sentences: what must hold"
        );
        let mut scope = None;
        let mut head = Self {
            promise,
            scope: Scope::Soak,
            topologies: vec!["switch".to_owned()],
            soak_topologies: Vec::new(),
            modules: "p2p".to_owned(),
            system: false,
            parallel: false,
            seed: false,
            prepare: None,
            files: Vec::new(),
            sources: Vec::new(),
            traces: Vec::new(),
            timeout: Duration::from_secs(120),
        };
        for line in keys {
            match line.strip_prefix("run: ") {
                Some(value) => scope = Some(value.parse()?),
                None => head.set(line).with_context(|| format!("# {line}"))?,
            }
        }
        head.scope = scope.context("it has to say `# run: test` or `# run: soak`")?;
        Ok(head)
    }

    /// Returns the topologies in which a run of this scope tries the scenario.
    pub fn topologies_in(&self, scope: Scope) -> Vec<&str> {
        let (first, more): (&[String], &[String]) = match (scope, self.scope) {
            (Scope::Soak, _) => (&self.topologies, &self.soak_topologies),
            (Scope::Test, Scope::Test) => (&self.topologies, &[]),
            (Scope::Test, Scope::Soak) => (&[], &[]),
        };
        first.iter().chain(more).map(String::as_str).collect()
    }

    fn set(&mut self, line: &str) -> Result<()> {
        let (key, value) = line
            .split_once(": ")
            .context("after the sentences come lines `# key: value`")?;
        match key {
            "topology" => self.topologies = words(value).collect(),
            "soak" => self.soak_topologies = words(value).collect(),
            "modules" => self.modules = value.to_owned(),
            "system" => self.system = yes(value)?,
            "parallel" => self.parallel = yes(value)?,
            "seed" => self.seed = yes(value)?,
            "prepare" => self.prepare = Some(value.to_owned()),
            "add" => self.files.extend(words(value)),
            "build" => self.sources.extend(words(value)),
            "trace" => self.traces.extend(words(value)),
            "timeout" => {
                let seconds = value.parse().context("a number of seconds is wanted")?;
                self.timeout = Duration::from_secs(seconds);
            }
            _ => bail!(
                "the keys are run, topology, soak, modules, system, parallel, seed, prepare, add, build, trace and timeout"
            ),
        }
        Ok(())
    }
}

impl FromStr for Scope {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "test" => Ok(Self::Test),
            "soak" => Ok(Self::Soak),
            _ => bail!("# run: {text}: it is test or soak"),
        }
    }
}

/// Returns whether a line begins with a key, which is one word in lower case.
fn is_key(line: &str) -> bool {
    line.split_once(": ")
        .is_some_and(|(key, _)| key.chars().all(|letter| letter.is_ascii_lowercase()))
}

/// Returns the path of a file that a scenario in the folder `scenarios` names. The file is in the
/// folder `files` or, if the name is a path, in the repository.
pub fn file(scenarios: &Path, name: &str) -> PathBuf {
    if name.contains('/') {
        scenarios.join("../..").join(name)
    } else {
        scenarios.join("files").join(name)
    }
}

fn yes(value: &str) -> Result<bool> {
    ensure!(value == "yes", "the one value is yes");
    Ok(true)
}

fn words(value: &str) -> impl Iterator<Item = String> {
    value.split_whitespace().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// The most sentences of a promise, and the most words of a sentence.
    const SENTENCES: usize = 2;
    const WORDS: usize = 25;

    #[test]
    fn every_scenario_promises_briefly_and_names_files_that_are_there() {
        let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let paths = fs::read_dir(&scenarios).expect("scenarios");
        let paths = paths.map(|entry| entry.expect("an entry").path());
        for path in paths.filter(|path| path.extension().is_some_and(|end| end == "sh")) {
            let text = fs::read_to_string(&path).expect("a scenario");
            let head = Head::parse(&text).unwrap_or_else(|error| panic!("{path:?}: {error:#}"));
            let promise = head.promise.trim_end_matches('.');
            let sentences: Vec<&str> = promise.split(". ").collect();
            let words = |sentence: &&str| sentence.split_whitespace().count();
            assert!(sentences.len() <= SENTENCES, "{path:?}: {sentences:#?}");
            let longest = sentences.iter().map(words).max();
            assert!(longest <= Some(WORDS), "{path:?}: {longest:?} words");
            for name in head.files.iter().chain(&head.sources).chain(&head.prepare) {
                assert!(file(&scenarios, name).is_file(), "{path:?}: {name}");
            }
        }
    }

    /// A stage is an argument that the scenario gives itself. Whatever else comes must not look like
    /// success.
    #[test]
    fn a_scenario_with_stages_takes_no_seed_and_refuses_other_stages() {
        let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let mut stages = 0;
        for entry in fs::read_dir(&scenarios).expect("scenarios") {
            let path = entry.expect("an entry").path();
            let text = fs::read_to_string(&path).unwrap_or_default();
            let boots_again = ["vmctl kill", "vmctl reboot"]
                .iter()
                .any(|verb| text.contains(verb));
            if !boots_again || path.ends_with("lib.bash") {
                continue;
            }
            let head = Head::parse(&text).unwrap_or_else(|error| panic!("{path:?}: {error:#}"));
            assert!(
                !head.seed,
                "{path:?} boots again, so its argument is no seed"
            );
            if let Some((_, rest)) = text.split_once("\ncase ${1-") {
                assert!(
                    rest.contains("\n*)"),
                    "{path:?} does nothing in an unknown stage"
                );
                stages += 1;
            }
        }
        assert!(stages > 0, "no scenario has stages");
    }

    #[test]
    fn a_head_ends_with_an_empty_line() {
        let text = "# All is well.\n# run: test\n# topology: split\n# system: yes\n# parallel: yes\n# seed: yes\n# add: c\n# trace: a\n# trace: b\n# timeout: 60\n#\n# SPDX: no key\ntrue\n";
        let head = Head::parse(text).expect("a head");
        assert_eq!(head.promise, "All is well.");
        assert_eq!(head.topologies, ["split"]);
        assert_eq!(head.modules, "p2p");
        assert!(head.system);
        assert!(head.parallel);
        assert!(head.seed);
        assert_eq!(head.files, ["c"]);
        assert_eq!(head.traces, ["a", "b"]);
        assert_eq!(head.timeout, Duration::from_secs(60));
    }

    #[test]
    fn a_head_without_keys_has_the_usual_machine() {
        let head = Head::parse("# All is well.\n# run: test\nset -e\n").expect("a head");
        assert_eq!(head.topologies, ["switch"]);
        assert!(!head.system);
        assert!(!head.parallel);
        assert!(!head.seed);
        assert!(head.traces.is_empty());
    }

    #[test]
    fn a_promise_may_have_several_lines() {
        let text = "# All is well,\n# or not: who knows.\n# run: test\n";
        let head = Head::parse(text).expect("a head");
        assert_eq!(head.promise, "All is well, or not: who knows.");
    }

    #[test]
    fn a_key_may_have_several_words() {
        let text = "# All is well.\n# run: test\n# topology: switch split\n# add: a.py b\n# build: a.c b.c\n# trace: a b\n";
        let head = Head::parse(text).expect("a head");
        assert_eq!(head.topologies, ["switch", "split"]);
        assert_eq!(head.files, ["a.py", "b"]);
        assert_eq!(head.sources, ["a.c", "b.c"]);
        assert_eq!(head.traces, ["a", "b"]);
    }

    #[test]
    fn a_run_tries_what_is_for_it() {
        let head = |run| {
            let text = format!("# A.\n# run: {run}\n# topology: switch split\n# soak: big\n");
            Head::parse(&text).expect("a head")
        };
        let all = ["switch", "split", "big"];
        assert_eq!(head("test").topologies_in(Scope::Test), ["switch", "split"]);
        assert_eq!(head("test").topologies_in(Scope::Soak), all);
        assert!(head("soak").topologies_in(Scope::Test).is_empty());
        assert_eq!(head("soak").topologies_in(Scope::Soak), all);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, wrong) in [
            ("", "what must hold"),
            ("set -e\n", "what must hold"),
            ("# topology: split\n", "what must hold"),
            ("# A.\n# topology: split\n", "`# run: test`"),
            ("# A.\n# run: never\n", "it is test or soak"),
            ("# A.\n# topologie: split\n", "# topologie: split"),
            ("# A.\n# timeout: soon\n", "a number of seconds"),
            ("# A.\n# system: no\n", "the one value is yes"),
            ("# A.\n# and more\n", "whole sentences"),
            ("# A.\n# run: test\n# and more\n", "key: value"),
        ] {
            let error = format!("{:#}", Head::parse(text).expect_err(text));
            assert!(error.contains(wrong), "{text:?}: {error}");
        }
    }
}
