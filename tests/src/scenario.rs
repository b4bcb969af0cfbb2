// SPDX-License-Identifier: GPL-2.0
//! The head of a scenario: a comment that says what must hold, and in what
//! machine it is to be tried.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// What a scenario says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// What must hold.
    pub promise: String,
    /// Names of the topologies: it is tried in each.
    pub topologies: Vec<String>,
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
        let mut head = Self {
            promise: promise.to_owned(),
            topologies: vec!["switch".to_owned()],
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
            head.set(line).with_context(|| format!("# {line}"))?;
        }
        Ok(head)
    }

    fn set(&mut self, line: &str) -> Result<()> {
        let (key, value) = line
            .split_once(": ")
            .context("after the sentence come lines `# key: value`")?;
        match key {
            "topology" => self.topologies = words(value).collect(),
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
                "the keys are topology, modules, system, parallel, prepare, add, build, trace and timeout"
            ),
        }
        Ok(())
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
        let text = "# All is well.\n# topology: split\n# system: yes\n# parallel: yes\n# add: c\n# trace: a\n# trace: b\n# timeout: 60\n#\n# SPDX: no key\ntrue\n";
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
        let head = Head::parse("# All is well.\nset -e\n").expect("a head");
        assert_eq!(head.topologies, ["switch"]);
        assert!(!head.system);
        assert!(!head.parallel);
        assert!(head.traces.is_empty());
    }

    #[test]
    fn a_key_may_have_several_words() {
        let text = "# All is well.\n# topology: switch split\n# add: a.py b\n# build: a.c b.c\n# trace: a b\n";
        let head = Head::parse(text).expect("a head");
        assert_eq!(head.topologies, ["switch", "split"]);
        assert_eq!(head.files, ["a.py", "b"]);
        assert_eq!(head.sources, ["a.c", "b.c"]);
        assert_eq!(head.traces, ["a", "b"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, wrong) in [
            ("", "what must hold"),
            ("set -e\n", "what must hold"),
            ("# topology: split\n", "what must hold"),
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
