// SPDX-License-Identifier: GPL-2.0
//! The options of a run: the script, and the guest that it wants.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::machine::{Pace, Topology};

use super::job::Modules;

/// A script, and the guest that it runs in. [`Run::new`] makes a run, its methods change it, and
/// [`Run::go`] does it.
#[derive(Clone, Debug)]
pub struct Run {
    pub(super) script: Option<PathBuf>,
    pub(super) arguments: Vec<String>,
    pub(super) topology: String,
    pub(super) kernel: Option<String>,
    pub(super) modules: Modules,
    pub(super) files: Vec<PathBuf>,
    pub(super) sources: Vec<PathBuf>,
    pub(super) traces: Vec<String>,
    pub(super) timeout: Duration,
    pub(super) keep: Option<PathBuf>,
    pub(super) shown: bool,
    pub(super) system: bool,
    pub(super) pace: Pace,
    pub(super) prepare: Option<PathBuf>,
}

impl Run {
    /// Runs the file `script`, or standard input for `-`, on the topology `switch`, with our
    /// modules, for at most 600 s.
    pub fn new(script: impl Into<PathBuf>) -> Self {
        Self {
            script: Some(script.into()),
            ..Self::shell()
        }
    }

    /// Opens a shell on the caller's terminal instead.
    pub fn shell() -> Self {
        Self {
            script: None,
            arguments: Vec::new(),
            topology: "switch".to_owned(),
            kernel: None,
            modules: Modules::default(),
            files: Vec::new(),
            sources: Vec::new(),
            traces: Vec::new(),
            timeout: Duration::from_secs(600),
            keep: None,
            shown: false,
            system: false,
            pace: Pace::Turns,
            prepare: None,
        }
    }

    /// Gives the script these arguments.
    pub fn arguments(mut self, arguments: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.arguments = arguments.into_iter().map(Into::into).collect();
        self
    }

    /// Uses the topology of this name, or in this file.
    pub fn topology(mut self, name: impl Into<String>) -> Self {
        self.topology = name.into();
        self
    }

    /// Boots this kernel, not the newest one.
    pub fn kernel(mut self, release: impl Into<String>) -> Self {
        self.kernel = Some(release.into());
        self
    }

    /// Gives the guest these modules.
    pub fn modules(mut self, modules: Modules) -> Self {
        self.modules = modules;
        self
    }

    /// Puts a file into the script's working folder.
    pub fn file(mut self, file: impl Into<PathBuf>) -> Self {
        self.files.push(file.into());
        self
    }

    /// Builds a module from `NAME.c`, and puts `NAME.ko` into the script's working folder. A header
    /// `NAME.h` is for the modules that include it.
    pub fn build(mut self, source: impl Into<PathBuf>) -> Self {
        self.sources.push(source.into());
        self
    }

    /// Boots from a copy of the environment in which this script, a file of the repository, has
    /// run before. Compilers are quicker there than in the guest.
    pub fn prepare(mut self, script: impl Into<PathBuf>) -> Self {
        self.prepare = Some(script.into());
        self
    }

    /// Lets QEMU write a trace event to the run's folder.
    pub fn trace(mut self, event: impl Into<String>) -> Self {
        self.traces.push(event.into());
        self
    }

    /// Gives the script this much time, from its first start.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Keeps the run's folder here, with the drives in it.
    pub fn keep(mut self, folder: impl Into<PathBuf>) -> Self {
        self.keep = Some(folder.into());
        self
    }

    /// Passes the script's output through as it comes.
    pub fn shown(mut self) -> Self {
        self.shown = true;
        self
    }

    /// Lets systemd start the guest, like real systems. The guest keeps the changes of its root
    /// until the run ends.
    pub fn system(mut self, system: bool) -> Self {
        self.system = system;
        self
    }

    /// Runs the guest's processors at this pace, not in turns. [`Pace::Parallel`] is slow, but
    /// finds what goes wrong only if two things happen at once.
    pub fn pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// Returns the name of the script's file, or `script` if it has none.
    pub(super) fn script_name(&self) -> &OsStr {
        self.script
            .as_deref()
            .and_then(Path::file_name)
            .filter(|name| *name != "-")
            .unwrap_or(OsStr::new("script"))
    }

    /// Returns whether this is a shell, not a script.
    pub fn is_shell(&self) -> bool {
        self.script.is_none()
    }

    /// Returns an error if something is wrong that can be seen without an environment.
    pub fn check(&self) -> Result<()> {
        Topology::find(&self.topology)?;
        let script = self.script.iter().filter(|script| **script != *"-");
        for file in script.chain(&self.files).chain(&self.sources) {
            File::open(file).with_context(|| format!("{} cannot be read", file.display()))?;
        }
        Ok(())
    }
}
