// SPDX-License-Identifier: GPL-2.0
//! The virtual machine in which md-p2p is built, shown and tested.
//!
//! ```no_run
//! use md_p2p_vm::{Environment, Run};
//!
//! # fn main() -> anyhow::Result<()> {
//! let environment = Environment::ready()?;
//! let outcome = Run::new("scenario.sh").topology("split").go(&environment)?;
//! assert_eq!(outcome.status(), 0, "{}; see {}", outcome.end, outcome.folder.display());
//! # Ok(())
//! # }
//! ```

pub mod accel;
pub mod control;
pub mod dmesg;
pub mod enter;
pub mod environment;
pub mod guest;
pub mod host;
pub mod job;
pub mod kernels;
pub mod machine;
pub mod outcome;
pub mod progress;
pub mod qmp;
pub mod run;
pub mod topology;
pub mod trace;

pub use environment::Environment;
pub use job::Modules;
pub use outcome::{End, Outcome};
pub use run::Run;
pub use topology::Topology;
