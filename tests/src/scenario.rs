// SPDX-License-Identifier: GPL-2.0
//! The head of a scenario: a comment that says what must hold, and in what
//! machine it is to be tried.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// How much is to be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// What fits into half an hour: `make test`.
    Test,
    /// Everything: `make soak`.
    Soak,
}

/// What a scenario says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// What must hold.
    pub promise: String,
    /// Where it belongs: every scenario has to say it.
    pub scope: Scope,
    /// Names of the topologies: it is tried in each.
    pub topologies: Vec<String>,
    /// More topologies, in which only `make soak` tries it.
    pub soak_topologies: Vec<String>,
    /// Whose modules: `p2p` or `stock`.
    pub modules: String,
    /// Whether systemd starts its machine, and its root lasts.
    pub system: bool,
    /// Whether its machine's processors are to run at the same time, emulated too.
    pub parallel: bool,
    /// What is run in a copy of the environment, from which it boots then.
    pub prepare: Option<String>,
    /// Files beside it that it needs.
    pub files: Vec<String>,
    /// Modules of its own: C beside it.
    pub sources: Vec<String>,
    /// Trace events of QEMU.
    pub traces: Vec<String>,
    /// Time that it may take on a machine with nothing else to do.
    pub timeout: Duration,
}

impl Head {
    /// Reads the comment that `text` begins with: a sentence, then lines `# key: value`
    /// up to one that is empty.
    pub fn parse(text: &str) -> Result<Self> {
        let mut lines = text
            .lines()
            .map_while(|line| line.strip_prefix('#'))
            .map(str::trim);
        let promise = lines.next().unwrap_or_default();
        ensure!(
            promise.ends_with('.'),
            "the first line has to be a comment with a sentence: what must hold"
        );
        let mut scope = None;
        let mut head = Self {
            promise: promise.to_owned(),
            scope: Scope::Soak,
            topologies: vec!["switch".to_owned()],
            soak_topologies: Vec::new(),
            modules: "p2p".to_owned(),
            system: false,
            parallel: false,
            prepare: None,
            files: Vec::new(),
            sources: Vec::new(),
            traces: Vec::new(),
            timeout: Duration::from_secs(120),
        };
        for line in lines.take_while(|line| !line.is_empty()) {
            match line.strip_prefix("run: ") {
                Some(value) => scope = Some(value.parse()?),
                None => head.set(line).with_context(|| format!("# {line}"))?,
            }
        }
        head.scope = scope.context("it has to say `# run: test` or `# run: soak`")?;
        Ok(head)
    }

    /// The topologies in which a run of this scope tries it.
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
            .context("after the sentence come lines `# key: value`")?;
        match key {
            "topology" => self.topologies = words(value).collect(),
            "soak" => self.soak_topologies = words(value).collect(),
            "modules" => self.modules = value.to_owned(),
            "system" => self.system = yes(value)?,
            "parallel" => self.parallel = yes(value)?,
            "prepare" => self.prepare = Some(value.to_owned()),
            "add" => self.files.extend(words(value)),
            "build" => self.sources.extend(words(value)),
            "trace" => self.traces.extend(words(value)),
            "timeout" => {
                let seconds = value.parse().context("a number of seconds is wanted")?;
                self.timeout = Duration::from_secs(seconds);
            }
            _ => bail!(
                "the keys are run, topology, soak, modules, system, parallel, prepare, add, build, trace and timeout"
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

    #[test]
    fn a_head_ends_with_an_empty_line() {
        let text = "# All is well.\n# run: test\n# topology: split\n# system: yes\n# parallel: yes\n# add: c\n# trace: a\n# trace: b\n# timeout: 60\n#\n# SPDX: no key\ntrue\n";
        let head = Head::parse(text).expect("a head");
        assert_eq!(head.promise, "All is well.");
        assert_eq!(head.topologies, ["split"]);
        assert_eq!(head.modules, "p2p");
        assert!(head.system);
        assert!(head.parallel);
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
        assert!(head.traces.is_empty());
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
            ("# A.\n# and more\n", "key: value"),
        ] {
            let error = format!("{:#}", Head::parse(text).expect_err(text));
            assert!(error.contains(wrong), "{text:?}: {error}");
        }
    }
}
