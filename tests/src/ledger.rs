// SPDX-License-Identifier: GPL-2.0
//! The ledger of soaks: one line of JSON for each case that was ever run.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// How a case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything that the case says was true.
    Passed,
    /// Something was not true.
    Failed,
    /// The case does not apply here.
    Skipped,
}

/// One case that was run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The state of the repository.
    pub commit: String,
    /// The kernel that it ran on, or `-` if it needs none.
    pub kernel: String,
    /// Its source and its name there: `SOURCE/NAME`.
    pub case: String,
    /// The seed of its I/O.
    pub seed: u64,
    /// How it ended.
    pub result: Verdict,
    /// How long it took.
    pub seconds: u64,
}

/// The content of a ledger.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The cases, in the order in which they ended.
    pub entries: Vec<Entry>,
    /// The number of lines that are no entries. A run that was killed may leave half a line.
    pub broken: usize,
}

impl Record {
    /// Reads the ledger at `path`. A ledger that does not exist is empty.
    pub fn read(path: &Path) -> Result<Self> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    fn parse(text: &str) -> Self {
        let mut record = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            match serde_json::from_str(line) {
                Ok(entry) => record.entries.push(entry),
                Err(_) => record.broken += 1,
            }
        }
        record
    }
}

/// A ledger that is written to.
pub struct Ledger(File);

impl Ledger {
    /// Opens the ledger at `path` to append to it.
    pub fn open(path: &Path) -> Result<Self> {
        Self::opened(path).with_context(|| path.display().to_string())
    }

    fn opened(path: &Path) -> Result<Self> {
        path.parent().map(fs::create_dir_all).transpose()?;
        let mut file = File::options()
            .create(true)
            .read(true)
            .append(true)
            .open(path)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        // Half a line of a run that was killed must not spoil the next one.
        if text.last().is_some_and(|&last| last != b'\n') {
            file.write_all(b"\n")?;
        }
        Ok(Self(file))
    }

    /// Adds an entry, which is on the disk when this returns.
    pub fn append(&mut self, entry: &Entry) -> Result<()> {
        let mut line = serde_json::to_string(entry)?;
        line.push('\n');
        // This is one call, so that lines of two soaks do not mix.
        self.0.write_all(line.as_bytes())?;
        self.0.sync_data().context("the ledger cannot be written")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(case: &str) -> Entry {
        Entry {
            commit: "0123".to_owned(),
            kernel: "7.3".to_owned(),
            case: case.to_owned(),
            seed: 1,
            result: Verdict::Passed,
            seconds: 30,
        }
    }

    #[test]
    fn what_is_appended_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("soak/ledger.jsonl");
        assert_eq!(Record::read(&path).expect("none yet"), Record::default());
        for name in ["a/x", "a/y"] {
            let mut ledger = Ledger::open(&path).expect("a ledger");
            ledger.append(&entry(name)).expect("a line");
        }
        let record = Record::read(&path).expect("a ledger");
        assert_eq!(record.entries, [entry("a/x"), entry("a/y")]);
    }

    #[test]
    fn half_a_line_spoils_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ledger.jsonl");
        let whole = serde_json::to_string(&entry("a/x")).expect("a line");
        fs::write(&path, format!("{whole}\n{}", &whole[..20])).expect("a file");
        let mut ledger = Ledger::open(&path).expect("a ledger");
        ledger.append(&entry("a/y")).expect("a line");
        let record = Record::read(&path).expect("a ledger");
        assert_eq!(record.entries, [entry("a/x"), entry("a/y")]);
        assert_eq!(record.broken, 1);
    }

    #[test]
    fn the_line_is_what_the_documents_say() {
        assert_eq!(
            serde_json::to_string(&entry("scenarios/mix/split")).expect("a line"),
            r#"{"commit":"0123","kernel":"7.3","case":"scenarios/mix/split","seed":1,"result":"passed","seconds":30}"#
        );
    }
}
