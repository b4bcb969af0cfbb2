// SPDX-License-Identifier: GPL-2.0
//! How a run ended.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::machine::Accel;

use super::dmesg;
use super::job::Modules;

/// The first status that is the harness's own.
const FIRST_OWN: u8 = 200;

/// Why a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", content = "detail", rename_all = "lowercase")]
pub enum End {
    /// The script ended with this status.
    Script(u8),
    /// The guest's kernel panicked, with this message.
    Panic(String),
    /// The guest did not come up.
    Boot(String),
    /// Time was up.
    Timeout(String),
    /// QEMU ended before the script did.
    Qemu(String),
    /// The script ended, but the guest's kernel had complained: the first complaint, and the number
    /// of complaints.
    Splat(String, usize),
}

impl End {
    /// Returns the exit status for it. A status below 200 is the script's own.
    pub fn status(&self) -> u8 {
        match self {
            // A script may end with one of the harness's statuses. It has failed, but must not look
            // as if the harness had.
            Self::Script(status) => (*status).min(FIRST_OWN - 1),
            Self::Panic(_) => 200,
            Self::Boot(_) => 201,
            Self::Timeout(_) => 202,
            Self::Qemu(_) => 203,
            Self::Splat(..) => 204,
        }
    }

    /// Returns the end of the run, given the kernel's messages. They count more than the script's
    /// status.
    pub fn considering(self, dmesg: &str) -> Self {
        if let Some(line) = dmesg::panic(dmesg) {
            return Self::Panic(line.to_owned());
        }
        let complaints = dmesg::complaints(dmesg);
        match (self, complaints.first()) {
            (Self::Script(_), Some(first)) => Self::Splat((*first).to_owned(), complaints.len()),
            (end, _) => end,
        }
    }
}

/// The one sentence for standard error.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Script(status) if *status >= FIRST_OWN => {
                write!(
                    f,
                    "the script ended with {status}, which is told as {} here",
                    self.status()
                )
            }
            Self::Script(status) => write!(f, "the script ended with {status}"),
            Self::Panic(line) => write!(f, "the guest's kernel panicked: {line}"),
            Self::Boot(why) => write!(f, "the guest did not come up: {why}"),
            Self::Timeout(why) => write!(f, "time was up: {why}"),
            Self::Qemu(why) => write!(f, "QEMU ended before the script did: {why}"),
            Self::Splat(line, 1) => write!(f, "the guest's kernel complained: {line}"),
            Self::Splat(line, count) => write!(
                f,
                "the guest's kernel complained {count} times, first: {line}"
            ),
        }
    }
}

/// A finished run.
#[derive(Debug)]
pub struct Outcome {
    /// Why it ended.
    pub end: End,
    /// What the script printed.
    pub stdout: String,
    /// What the script printed on standard error.
    pub stderr: String,
    /// The kernel's messages, of all boots.
    pub dmesg: String,
    /// The folder with all of this and more.
    pub folder: PathBuf,
}

impl Outcome {
    /// Returns the exit status: see [`End::status`].
    pub fn status(&self) -> u8 {
        self.end.status()
    }
}

/// The content of `exit.json`.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    /// The exit status of `cargo vm run`.
    pub status: u8,
    /// Why the run ended.
    #[serde(flatten)]
    pub end: &'a End,
    /// Why the run ended, as a sentence.
    pub sentence: String,
    /// How long the run took.
    pub seconds: f64,
    /// How often the guest was booted.
    pub boots: u32,
    /// The kernel that was booted last.
    pub kernel: &'a str,
    /// The modules that the guest had.
    pub modules: Modules,
    /// The guest's topology.
    pub topology: &'a str,
    /// What ran the guest's instructions.
    pub accel: Accel,
}

impl Report<'_> {
    /// Writes `exit.json` into the run's `folder`.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let file = folder.join("exit.json");
        let text = format!("{}\n", serde_json::to_string_pretty(self)?);
        fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPLAT: &str = "[    1.0] WARNING: a.c:1 at f\n[    1.1] Call Trace:\n";
    const PANIC: &str =
        "[    1.0] Oops: 0000\n[    1.1] Kernel panic - not syncing: Fatal exception\n";

    #[test]
    fn a_complaint_outweighs_success_and_failure_of_the_script() {
        for status in [0, 3] {
            let end = End::Script(status).considering(SPLAT);
            assert_eq!(end.status(), 204);
            assert_eq!(
                end.to_string(),
                "the guest's kernel complained 2 times, first: [    1.0] WARNING: a.c:1 at f"
            );
        }
    }

    #[test]
    fn a_panic_outweighs_everything() {
        for end in [
            End::Script(0),
            End::Qemu("it ended".into()),
            End::Timeout("late".into()),
        ] {
            assert_eq!(end.considering(PANIC).status(), 200);
        }
    }

    #[test]
    fn a_complaint_does_not_hide_that_the_guest_never_came_up() {
        assert_eq!(End::Boot("no root".into()).considering(SPLAT).status(), 201);
    }

    #[test]
    fn statuses_are_the_scripts_unless_they_are_the_harnesss() {
        for (status, told) in [
            (0, 0),
            (63, 63),
            (64, 64),
            (137, 137),
            (199, 199),
            (200, 199),
            (255, 199),
        ] {
            assert_eq!(End::Script(status).considering("").status(), told);
        }
    }
}
