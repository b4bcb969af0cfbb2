// SPDX-License-Identifier: GPL-2.0
//! Where QEMU, which runs in the environment, finds the files of a run.

/// The folder of the run.
pub const RUN: &str = "/run/vm";
/// The files that the run puts above the guest's root.
pub const JOB: &str = "/run/job";
/// The guest's root.
pub const ENVIRONMENT: &str = "/run/environment";

/// The folder of a run that a system guest can write to.
pub const OUT: &str = "out";

/// The file in the folder of a run to which QEMU writes its trace.
pub const TRACE: &str = "trace";

/// The disk on which a system guest keeps the changes of its root.
pub const SYSTEM: &str = "system";

/// One boot of a run. A run has several if its script asks for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boot(pub u32);

impl Boot {
    /// Returns this boot's name for the file `name` in a run's folder.
    pub fn name(self, name: &str) -> String {
        if self.0 == 1 {
            name.to_owned()
        } else {
            format!("{name}.{}", self.0)
        }
    }

    /// Returns where QEMU sees the file `name` of this boot.
    pub fn file(self, name: &str) -> String {
        format!("{RUN}/{}", self.name(name))
    }
}
